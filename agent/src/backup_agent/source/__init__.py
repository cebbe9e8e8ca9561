"""The replica set that is backed up: its members, its oplog, its versions."""
