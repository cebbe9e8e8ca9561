"""A backup agent that keeps a restorable, proven copy of one MongoDB replica set."""

from __future__ import annotations

__version__ = "0.1.0"

API = 1
"""Version of the command line's JSON. The provider accepts its own and the one before."""

TESTED_SERVER_MAJORS = ("5.0", "6.0")
"""Major versions of MongoDB that the test suite has run against."""
