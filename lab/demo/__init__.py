"""The demo: a real backup of a real replica set is broken and then repaired by the resync playbook."""
