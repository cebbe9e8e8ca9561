"""Applying captured oplog entries to the head."""
