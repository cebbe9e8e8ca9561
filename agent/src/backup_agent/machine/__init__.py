"""What the agent's machine has, and what a job needs of it."""
