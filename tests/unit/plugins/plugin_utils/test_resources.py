# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the jobs of a machine need together."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.resources import parsed, shortage, size

GB = 1024**3
Json = dict[str, Any]


def answer(
    memory: float = 1, have: float = 16, cpus: float = 2, device: str = "8:1", disk: float = 3, free: float = 100
) -> Json:
    """Return what `resources` says for a job that needs so many gigabytes; 1 GB of its disk is kept free."""
    parts = [{"name": "kept free", "bytes": GB}, {"name": "second head", "bytes": int((disk - 1) * GB)}]
    return {
        "ok": True,
        "memory": {
            "needed_bytes": int(memory * GB),
            "parts": [{"name": "head", "bytes": int(memory * GB)}],
            "have_bytes": int(have * GB),
        },
        "cpu": {"needed": 0.5, "have": cpus},
        "disks": [
            {
                "device": device,
                "path": "/var",
                "needed_bytes": int(disk * GB),
                "reserve_bytes": GB,
                "free_bytes": int(free * GB),
                "parts": parts,
            }
        ],
        "members": [{"member": "a:1", "ok": True, "detail": "reached"}],
    }


def silent(memory: float) -> Json:
    """Return what it says when the source is silent."""
    known = answer(memory)
    details = {"memory": known["memory"], "cpu": known["cpu"]}
    return {"ok": False, "error": {"message": "a:1 said: refused", "details": details}}


class TestShortage:
    def test_enough(self) -> None:
        """Two jobs on two processors, exactly: 0.5 each and 1 for the machine; and exactly the memory and the disk."""
        jobs = {name: answer(memory=8, have=16, disk=3, free=5) for name in ("orders", "items")}
        assert [] == shortage(jobs, "orders")

    def test_memory_only_together(self) -> None:
        """Each alone would have enough; the sentence has the sum, what there is, what is missing and each job's parts."""
        jobs = {name: answer(memory=10) for name in ("orders", "items")}
        assert [] == shortage({"orders": jobs["orders"]}, "orders")
        expected = (
            "memory: 20.0 GB needed in all, 16.0 GB there, 4.0 GB missing (orders: head 10.0 GB; items: head 10.0 GB)"
        )
        assert [expected] == shortage(jobs, "orders") == shortage(jobs, "items")

    def test_processors(self) -> None:
        """A third job is half a processor too much for two."""
        jobs = {name: answer() for name in ("a", "b", "c")}
        (found,) = shortage(jobs, "b")
        assert found == ("processors: 2.5 needed in all, 2 there, 0.5 missing (the machine: 1; a: 0.5; b: 0.5; c: 0.5)")

    def test_disk(self) -> None:
        """The room that is kept free counts once, and only the jobs on the same file system."""
        jobs = {"a": answer(disk=3, free=4), "b": answer(disk=3, free=4), "c": answer(device="8:2", disk=90, free=100)}
        expected = (
            "disk of /var: 5.0 GB needed in all, 4.0 GB there, 1.0 GB missing "
            "(all: kept free 1.0 GB; a: second head 2.0 GB; b: second head 2.0 GB)"
        )
        many = {name: {**one, "cpu": {"needed": 0.5, "have": 8}} for name, one in jobs.items()}
        assert [[expected], []] == [shortage(many, "a"), shortage(many, "c")]

    def test_members(self) -> None:
        """A member that one job does not reach is told to that job alone."""
        jobs = {"a": answer(), "b": answer()}
        jobs["a"]["members"].append({"member": "c:1", "ok": False, "detail": "timed out"})
        assert ["c:1 cannot be reached from the machine of the job: timed out"] == shortage(jobs, "a")
        assert [] == shortage(jobs, "b")

    def test_a_silent_source(self) -> None:
        """Its own job is told so; for the others its memory counts all the same."""
        jobs = {"a": silent(memory=10), "b": answer(memory=10)}
        assert ["a:1 said: refused"] == shortage(jobs, "a")
        assert "4.0 GB missing" in shortage(jobs, "b")[0]

    def test_another_job_without_any_answer(self) -> None:
        """It counts for nothing, and the rest goes on."""
        assert [] == shortage({"a": answer(), "b": parsed("", "Usage: …")}, "a")


class TestParsed:
    def test_an_answer(self) -> None:
        """As the agent printed it."""
        assert {"ok": True} == parsed(json.dumps({"ok": True}), "")

    def test_no_answer(self) -> None:
        """What was printed instead is said: an agent that is too old does not know the command."""
        (found,) = shortage({"a": parsed("", "Error: No such command 'resources'.")}, "a")
        assert "No such command 'resources'" in found
        assert "found: nothing" in parsed("", "")["error"]["message"]


def test_sizes_for_people() -> None:
    """Bytes and kilobytes are whole, larger ones have a digit."""
    found = [size(value) for value in (5, 2048, 1.5 * 1024**2, 3 * GB, 4096 * GB)]
    assert ["5 bytes", "2 KB", "1.5 MB", "3.0 GB", "4.0 TB"] == found
