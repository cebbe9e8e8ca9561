"""Looking at jobs whose agent may be away."""
