"""Reading majority-committed oplog entries and writing them durably to slices."""
