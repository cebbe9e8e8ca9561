"""An emulator for each test, with one replica set under backup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker


@pytest.fixture
def om() -> Iterator[Emulator]:
    """Give an emulator that runs."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def ask(om: Emulator) -> Asker:
    """Give a client with the keys of the owner."""
    return Asker(om)


@pytest.fixture
def cluster(om: Emulator) -> str:
    """Give the id of a replica set whose backup is started."""
    return om.add_replica_set()
