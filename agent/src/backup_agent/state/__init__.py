"""The state file of a job, and what is written in it."""
