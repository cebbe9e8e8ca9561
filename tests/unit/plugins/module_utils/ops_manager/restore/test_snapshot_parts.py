# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot is meant, and what it has."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, GiveUp
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Snapshot
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.snapshot_parts import (
    demand_complete,
    newest,
    optime,
    parts_of,
)


def snapshot(name: str, day: int, **more: Any) -> Snapshot:
    """Return a snapshot of a day."""
    created = {"date": f"2026-01-{day:02}T00:00:00Z", "increment": 1}
    return Snapshot.of({"id": name, "complete": True, "created": created, **more})


def test_the_newest_that_can_be_restored_as_a_whole() -> None:
    """Whatever the order, neither one that is still made nor one without a shard; of one second the later increment."""
    later = snapshot("c", 2, created={"date": "2026-01-02T00:00:00Z", "increment": 2})
    others = [snapshot("a", 1), snapshot("d", 3, complete=False), snapshot("e", 4, missingShards=[{}])]
    assert "c" == newest([later, snapshot("b", 2), *others]).id
    with pytest.raises(AskOperator, match="none among 2"):
        newest(others[1:])


def test_one_that_is_being_made_is_refused() -> None:
    """Answers that do not say whether it is complete come from lists of complete ones."""
    assert "a" == demand_complete(Snapshot.of({"id": "a"})).id
    with pytest.raises(AskOperator, match="snapshot a to be complete"):
        demand_complete(snapshot("a", 1, complete=False))


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a", None], ["a", "../b"], ["a", ".download"], ["a", "b/c"]])
def test_parts_that_could_not_have_directories(names: list[str]) -> None:
    """A name leads to a directory below the target, and to one of its own."""
    with pytest.raises(GiveUp) as refused:
        parts_of(Snapshot.of({"id": "a", "parts": [{"replicaSetName": name} for name in names]}))
    assert "unknown_parts" == refused.value.code


def test_the_only_part_needs_no_name() -> None:
    """What is not told is None, and not 0 bytes."""
    (part,) = parts_of(Snapshot.of({"id": "a", "parts": [{"fileSizeBytes": 324760}]}))
    assert ("", 324760, None) == (part.name, part.file_bytes, part.stored_bytes)


@pytest.mark.parametrize("value", [None, "2026", {}, {"date": "soon"}])
def test_no_optime(value: Any) -> None:
    """What makes no sense is None."""
    assert optime(value) is None


def test_an_optime() -> None:
    """It has the form of the agent's."""
    expected = {"time": 1769817600, "increment": 7, "iso": "2026-01-31T00:00:00Z"}
    assert expected == optime({"date": "2026-01-31T00:00:00Z", "increment": 7})
