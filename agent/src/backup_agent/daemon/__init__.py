"""The process of a job: its cycle, its operations and their steps, its status."""
