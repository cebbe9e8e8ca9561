# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a job that is resynced, from the answers of the modules."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import GiveUp
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import resync_outcome
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.resync_outcome import report_name

NOW = datetime(2026, 1, 31, 4, 5, 6, tzinfo=timezone.utc)
Json = dict[str, Any]


def operation(**more: Any) -> Json:
    """Return an operation that is open."""
    named = {"id": "resync-7", "kind": "resync", "owner": "me", "reason": "why not", "step": "sync"}
    return {**named, "created_at": "2026-01-31T04:00:00Z", **more}


class TestPlanned:
    @pytest.mark.parametrize(
        ("result", "step", "why", "then", "answer"),
        [
            ("planned", "preflight", "it is old", "", {"needed": True, "why": "it is old.", "operation": None}),
            ("not needed", "", "it is new", "", {"needed": False, "why": "it is new", "operation": {}}),
            (
                "attached",
                "sync",
                "operation resync-7 of me is open",
                "",
                {"needed": True, "attached": True, "why": "", "operation": operation()},
            ),
            (
                "refused",
                "preflight",
                "expected no open operation, found resync resync-7 of me, 5 min 6 s old (why not)",
                "run again when it has ended",
                {"needed": False, "attached": False, "why": "", "operation": operation()},
            ),
            (
                "refused",
                "preflight",
                "expected no open operation, found snapshot s-1 of me, 5 min 6 s old (why not)",
                "run again when it has ended",
                {"needed": True, "attached": False, "why": "", "operation": operation(kind="snapshot", id="s-1")},
            ),
            ("not needed", "", "new", "", {"needed": False, "why": "new", "operation": operation(kind="snapshot")}),
            (
                "refused",
                "preflight",
                "Expected a source, found none",
                "run again once that is settled",
                {"msg": "Expected a source, found none."},
            ),
            ("refused", "preflight", "no agent", "run again once that is settled", {"needed": None, "msg": "no agent"}),
            (
                "refused",
                "preflight",
                "the module gave no reason; run it with -vvv",
                "run again once that is settled",
                {"failed": False},
            ),
            (
                "unreachable",
                "preflight",
                "no route",
                "make backup1 reachable, then run again",
                {"unreachable": True, "msg": "no route"},
            ),
            (
                "unreachable",
                "preflight",
                "no connection",
                "make backup1 reachable, then run again",
                {"unreachable": True},
            ),
        ],
    )
    def test_what_an_answer_means(self, result: str, step: str, why: str, then: str, answer: Json) -> None:
        """Nobody's operation is stood in the way of, and one's own is attached to."""
        found = resync_outcome.planned(answer, "orders", "backup1", "run again", NOW)
        begun = "resync-7" if result == "attached" else ""
        expected = {"job": "orders", "result": result, "step": step, "why": why, "next": then}
        assert {**expected, "operation": begun, "report": ""} == found


BEFORE = {
    "job": "orders",
    "result": "started",
    "step": "sync",
    "why": "old",
    "next": "",
    "operation": "resync-7",
    "report": "",
}
WAITING = {**BEFORE, "operation": ""}


def fail(answer: Json, before: Json | None = None, started: Json | None = None) -> Json:
    """Return what a failure of the task that copies means."""
    return resync_outcome.failed(
        answer, BEFORE if before is None else before, "Copy", started or {}, "run again", "cancel with "
    )


@pytest.mark.parametrize("step", [7, None, ["sync"], {"a": 1}])
def test_a_step_is_text(step: Any) -> None:
    """The summary of all jobs is made of what their machines say."""
    answer = {"needed": True, "attached": True, "why": "", "operation": operation(step=step)}
    assert str(step) == resync_outcome.planned(answer, "orders", "backup1", "run again", NOW)["step"]


class TestFailed:
    @pytest.mark.parametrize(
        ("step", "begun", "then", "before", "answer"),
        [
            ("Copy", "resync-7", "attaches to the operation, which goes on by itself", BEFORE, {}),
            (
                "sync",
                "resync-7",
                "attaches to the operation, which goes on by itself",
                BEFORE,
                {"operation": operation(state="running")},
            ),
            (
                "sync",
                "resync-7",
                "once that is settled; the backup that was there is untouched",
                BEFORE,
                {"operation": operation(state="failed")},
            ),
            (
                "Copy",
                "",
                "once that is settled; the backup that was there is untouched",
                WAITING,
                {"operation": None, "error": None},
            ),
            (
                "sync",
                "resync-8",
                "once that is settled; the backup that was there is untouched",
                WAITING,
                {"operation": operation(id="resync-8", state="running")},
            ),
            (
                "Copy",
                "resync-9",
                "once that is settled; the backup that was there is untouched",
                WAITING,
                {"error": {"details": {"operation_id": "resync-9"}}},
            ),
        ],
    )
    def test_what_is_left_to_do(self, step: str, begun: str, then: str, before: Json, answer: Json) -> None:
        """An operation that was begun in this run goes on by itself while nothing says that it has ended."""
        found = fail({**answer, "msg": "It broke."}, before)
        expected = {
            "result": "failed",
            "step": step,
            "why": "It broke",
            "next": f"run again {then}",
            "operation": begun,
        }
        assert {**BEFORE, **expected} == found["outcome"]
        assert [f"orders – failed in {step}", "It broke", f"next run again {then}"] == found["lines"]

    @pytest.mark.parametrize(
        ("left", "answer", "started"),
        [
            (["it is stopped"], {"operation": operation(left_behind=["it is stopped"])}, {}),
            (["a", "b"], {"error": {"details": {"left_behind": ["a", "b"]}}}, {}),
            (["it is stopped"], {}, {"operation": operation(left_behind=["it is stopped"])}),
            ([], {"operation": operation(left_behind=[])}, {"operation": operation(left_behind=["it is stopped"])}),
            ([], {"operation": operation()}, {"operation": None}),
        ],
    )
    def test_what_was_seen_last_counts(self, left: list[str], answer: Json, started: Json) -> None:
        """Also where that is that nothing is left; what nobody puts back is said, with the way back."""
        found = fail(answer, started=started)
        said = [line for line in found["lines"] if line.startswith("left as it is")]
        assert ([f"left as it is – {'; '.join(left)}"] if left else []) == said
        goes_on = "run again goes on with it; cancel with resync-7 puts everything back"
        assert bool(left) is (goes_on == found["outcome"]["next"])

    def test_without_a_reason(self) -> None:
        """That is said, too."""
        assert "no reason was given" == fail({})["outcome"]["why"]


LAG = {"verdict": "ok", "status": {"last_resync": {"finished_at": "2026-01-31T04:05:06Z"}}}
NOTHING = dict.fromkeys(("documents_copied", "bytes_copied", "collections_compared", "equal", "proven"))


def report(record: Json, before: Json | None = None, lag: Json | None = None, proven: Json | None = None) -> Json:
    """Return what is reported of an operation."""
    before, lag = BEFORE if before is None else before, LAG if lag is None else lag
    return resync_outcome.reported(record, before, "orders", "resync-7", lag, proven or {}, "/page.html")


class TestReported:
    def test_everything_is_known(self) -> None:
        """It is added to the outcome."""
        validation, proof = {"compared": 12, "equal": True}, {"equal": True}
        copied = {"source": "db2", "documents_copied": 5, "bytes_copied": 0, "snapshot": {"name": "s-1"}}
        assert {
            **BEFORE,
            "verdict": "ok",
            "last_resync_at": "2026-01-31T04:05:06Z",
            "source": "db2",
            "documents_copied": 5,
            "bytes_copied": 0,
            "collections_compared": 12,
            "equal": True,
            "snapshot": "s-1",
            "proven": True,
            "report": "/page.html",
        } == report({"result": {**copied, "validation": validation, "proof": proof}})

    @pytest.mark.parametrize(
        "record", [{}, {"result": None}, {"result": {"validation": None, "proof": None, "snapshot": None}}]
    )
    def test_nothing_is_known(self, record: Json) -> None:
        """A number that is not known is none, and a name is empty."""
        empty = {"last_resync_at": "", "source": "", "snapshot": "", "verdict": "unknown", "report": "/page.html"}
        assert {**BEFORE, **NOTHING, **empty} == report(record, lag={"verdict": "unknown", "status": None})

    @pytest.mark.parametrize(
        ("expected", "result", "proven"),
        [
            (True, {}, {"snapshot": {"proof": {"equal": True}}}),
            (False, {"proof": {"equal": False}}, {"snapshot": {"proof": {"equal": True}}}),
            (None, {}, {"snapshot": None}),
            (None, {}, {"skipped": True}),
        ],
    )
    def test_a_proof_of_its_own(self, expected: bool | None, result: Json, proven: Json) -> None:
        """It counts where the operation has none."""
        assert expected is report({"result": {"snapshot": "s-1", **result}}, proven=proven)["proven"]

    @pytest.mark.parametrize(
        ("result", "why", "record"),
        [
            ("never", "", {}),
            ("done", "", {"state": "done", "error": None}),
            ("failed", "it broke", {"state": "failed", "error": {"message": "it broke"}}),
        ],
    )
    def test_without_an_outcome_so_far(self, result: str, why: str, record: Json) -> None:
        """It is what the last resync was."""
        found = report(record, before={})
        assert ("orders", result, why, "", "") == tuple(found[key] for key in ("job", "result", "why", "step", "next"))


class TestReportName:
    def test_is_the_id_where_there_is_a_report(self) -> None:
        """Wherever the agent says that it is: nobody reads it there."""
        assert "resync-7" == report_name({"id": "resync-7", "result": {"report": "/etc/shadow"}})
        for record in ({"id": "resync-7", "result": None}, {"id": "resync-7", "result": {}}, {}):
            assert "" == report_name(record)

    @pytest.mark.parametrize("identifier", ["../../inv/zzz", "/etc/x", "{{ 7 }}", "..", "", None, "a\n"])
    def test_refuses_what_leads_elsewhere(self, identifier: str | None) -> None:
        """The review's attack: such an id put a file of the agent's into the controller's inventory."""
        with pytest.raises(GiveUp, match="do not trust that machine"):
            report_name({"id": identifier, "result": {"report": "/var/lib/x/reports/y.json"}})
