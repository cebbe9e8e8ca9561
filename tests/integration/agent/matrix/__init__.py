"""The crash matrix: every step of the agent meets every fault, and each cell ends in the exact comparison."""
