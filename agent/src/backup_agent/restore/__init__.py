"""Restoring a snapshot and the oplog after it into a directory."""
