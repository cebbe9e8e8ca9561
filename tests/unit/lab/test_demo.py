from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab.demo import leftovers, proof

ROOT = Path(__file__).resolve().parents[3]
OPTIME = {"time": 1700000000, "increment": 3, "iso": "2023-11-14T22:13:20Z"}
LATER = {"time": 1700000009, "increment": 1, "iso": "2023-11-14T22:13:29Z"}


def evidence(**changes: Any) -> proof.Evidence:
    ranges = [{"optime": OPTIME, "documents": 2}, {"optime": LATER, "documents": 1}]
    orders = {"namespace": "shop.orders", "documents": 3, "ranges": ranges, "equal": True, "differences": []}
    result = {
        "source": "127.0.0.1:2",
        "sources": ["127.0.0.1:2"],
        "documents_copied": 12345,
        "bytes_copied": 67_800_000,
        "validation": {"equal": True, "level": "digest", "collections": [orders], "compared": 1, "differences": 0},
        "snapshot": {"name": "after-resync", "optime": LATER},
        "proof": {"equal": True, "snapshot": "after-resync", "collections": 1, "documents": 3},
        **changes.pop("result", {}),
    }
    values: dict[str, Any] = {
        "operation": {"id": "7", "state": "done", "result": result},
        "status": {"state": "tailing", "alerts": [], "snapshots_paused": False},
        "primary": "127.0.0.1:1",
        "writes_before": {"operations": 100},
        "writes_after": {"operations": 1600, "longest_pause_seconds": 0.2},
        "report": "/reports/7.html",
    }
    return proof.Evidence(**{**values, **changes})


def test_a_complete_proof_has_no_holes() -> None:
    """A resync that did everything passes."""
    assert proof.problems(evidence()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"primary": "127.0.0.1:2"}, "the primary 127.0.0.1:2 was read"),
        ({"result": {"source": None, "sources": []}}, "no source is named"),
        ({"result": {"documents_copied": 0}}, "nothing was copied"),
        ({"result": {"validation": {"equal": True, "compared": 0}}}, "no collection was compared"),
        ({"result": {"validation": {"equal": False, "compared": 4}}}, "backup and source differ"),
        ({"result": {"proof": {"equal": True, "collections": 0}}}, "no collection of the snapshot was compared"),
        ({"result": {"proof": {"equal": False, "collections": 3}}}, "the restored snapshot differs"),
        ({"writes_after": {"operations": 100}}, "the writer did not write meanwhile"),
        ({"operation": {"id": "7", "state": "failed", "result": None}}, "the operation is failed, not done"),
        ({"status": {"state": "tailing", "alerts": [{"kind": "resync_required"}]}}, "the alert is still open"),
        ({"status": {"state": "resync_required"}}, "the job is resync_required, not tailing"),
        ({"status": {"state": "tailing", "snapshots_paused": True}}, "snapshots are still paused"),
    ],
)
def test_a_hole_in_the_proof_is_named(changes: dict[str, Any], problem: str) -> None:
    """The demo fails when any part of its promise was not seen, comparing zero collections included."""
    assert problem in proof.problems(evidence(**changes))


def test_the_proof_says_what_was_seen() -> None:
    """The block names source, amounts, optimes, the writer, the snapshot and the report."""
    text = "\n".join(proof.lines(evidence()))

    for part in (
        "127.0.0.1:2, a secondary; the primary 127.0.0.1:1 was not read",
        "12,345 documents, 67.8 MB",
        "shop.orders          3 documents  equal at 2023-11-14T22:13:20Z,3 to 2023-11-14T22:13:29Z,1 (2 ranges)",
        "1,500 writes",
        "after-resync at 2023-11-14T22:13:29Z,1",
        "1 collections, 3 documents, equal",
        "/reports/7.html",
    ):
        assert part in text


def test_leftovers_are_found_by_the_demos_directory(tmp_path: Path) -> None:
    """What still runs at the end is stopped, and nothing else is."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen([*argv, str(tmp_path)]) as ours, subprocess.Popen(argv) as other:
        while str(tmp_path) not in Path(f"/proc/{ours.pid}/cmdline").read_text():
            time.sleep(0.01)

        assert leftovers.stop_all(tmp_path, grace_seconds=0.2) == [ours.pid]
        assert ours.wait(5) != 0
        assert other.poll() is None
        other.kill()


def test_the_demo_explains_itself() -> None:
    """--help needs no installation and prints the usage."""
    done = subprocess.run([ROOT / "bin" / "demo", "--help"], capture_output=True, text=True, check=True)

    assert "--keep" in done.stdout
