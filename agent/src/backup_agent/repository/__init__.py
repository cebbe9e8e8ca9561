"""The restic repository: snapshots, archived slices, proofs, retention."""
