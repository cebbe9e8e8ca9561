"""What makes a measurement worthless."""

from __future__ import annotations


class Unequal(Exception):
    """The two sides did not end with the same result, so their times say nothing."""


class TooLong(Exception):
    """Something that was waited for did not come."""
