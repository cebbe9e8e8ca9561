"""Real replica sets and agents."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Member, ReplicaSet
from lab.data import load

sys.path.insert(0, str(Path(__file__).parent))  # the harness beside the tests

from prepared import Prepared


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set of three members, with some data and small oplogs; the tests of a module share it."""
    members = [Member(priority=2), Member(), Member(priority=0, hidden=True)]
    with ReplicaSet("rs0", members, oplog_mb=16, directory=tmp_path_factory.mktemp("rs")) as replica_set:
        load(replica_set.uri, megabytes=4)
        yield replica_set


@pytest.fixture(scope="module")
def synced(source: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give a job that was synced from that set; tests take a copy of it."""
    return Prepared(source, tmp_path_factory.mktemp("synced"))
