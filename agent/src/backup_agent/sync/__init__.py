"""Filling a new head: preflight, copy, consistency point."""
