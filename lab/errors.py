"""What goes wrong in the lab."""

from __future__ import annotations


class LabError(Exception):
    """The lab could not do what was asked; the message says what was expected, what was found and what to do."""
