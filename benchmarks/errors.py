"""What makes a measurement worthless."""

from __future__ import annotations


class Unequal(Exception):
    """Both sides did not end with the same result, so that their times say nothing."""


class TooLong(Exception):
    """Something that was waited for did not come."""
