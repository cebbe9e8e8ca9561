# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""maintenance."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Facts
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import maintenance

LATEST = "2026-01-01T09:30:00Z"
UNTIL = "2999-01-01T01:00:00Z"
MINE = {
    "owner": "me",
    "reason": "kernel",
    "began_at": "2026-01-01T00:00:00Z",
    "until": UNTIL,
    "latest_safe_restart": LATEST,
    "oldest": None,
    "captured": None,
}
LEASE = {"owner": "me", "reason": "kernel", "expires_at": UNTIL}
YOURS = {**MINE, "owner": "you"}
BEGUN = {"state": "begun", "owner": "me", "reason": "kernel", "for_seconds": 3600, "latest_safe_restart": LATEST}
ENDED = {"state": "ended", "owner": "me", "reason": None, "for_seconds": None, "latest_safe_restart": None}
BEGIN = ("maintenance", "begin", "--owner", "me", "--reason", "kernel", "--for-seconds", "3600")


def status(record: Any, *leases: Any, alive: bool = False) -> dict[str, Any]:
    """Return what the agent, which is down, shows while there is this record."""
    shown = None if record is None else {**record, "overdue": False, "seconds_left": 5}
    optimes = {"oldest": {"time": 1}, "captured": {"time": 2}}
    seen = {"verdict": "warning", "agent": {"alive": alive}, **optimes}
    return {"ok": True, "maintenance": shown, "leases": list(leases), **seen}


class TestRun:
    def test_begins(self, create_module: Any, agent: Any) -> None:
        """Beginning is one command, and no status is read where nobody wants the difference."""
        answer = {"ok": True, "changed": True, "maintenance": MINE, "leases": [LEASE]}
        agent.expect(*BEGIN, "--latest-safe-restart", LATEST, answer=answer)
        module = create_module(**{**BEGUN, "latest_safe_restart": "2026-01-01T10:30:00.7+01:00"})
        outcome = maintenance.run(module, Embedded(module.params, agent, False))
        assert {"changed": True, "maintenance": MINE, "leases": [LEASE]} == outcome.result()

    def test_ends(self, create_module: Any, agent: Any) -> None:
        """What remains is what others have; the difference shows what was there, without what depends on the time of day."""
        agent.expect("status", answer=status(MINE, LEASE))
        answer = {"ok": True, "changed": True, "maintenance": None, "leases": []}
        agent.expect("maintenance", "end", "--owner", "me", answer=answer)
        module = create_module(diff=True, **ENDED)
        outcome = maintenance.run(module, Embedded(module.params, agent, False))
        before = {"maintenance": MINE, "leases": [LEASE]}
        assert {"before": before, "after": {"maintenance": None, "leases": []}} == outcome.diff

    def test_refused_by_another(self, create_module: Any, agent: Any) -> None:
        """Whose maintenance it is stands in the agent's own words."""
        error = {"code": "refused", "message": "expected no maintenance, found that of you (x) until then"}
        agent.expect(*BEGIN, answer={"ok": False, "error": error}, code=3)
        module = create_module(**{**BEGUN, "latest_safe_restart": None})
        with pytest.raises(AskOperator, match="that of you"):
            maintenance.run(module, Embedded(module.params, agent, False))

    def test_old_agent(self, create_module: Any, agent: Any) -> None:
        """An agent that does not know the command is named as the one to upgrade."""
        err = "Usage: backup-agent [OPTIONS] COMMAND [ARGS]...\n\nError: No such command 'maintenance'.\n"
        agent.expect("maintenance", "end", "--owner", "me", answer="", code=2, err=err)
        module = create_module(**ENDED)
        with pytest.raises(FixInput, match="upgrade the agent on this host") as caught:
            maintenance.run(module, Embedded(module.params, agent, False))
        assert "agent_too_old" == caught.value.code

    @pytest.mark.parametrize("wrong", [0, 10**9])
    def test_impossible_times(self, create_module: Any, wrong: int) -> None:
        """A lease that is over at once, or outlives everybody, is refused before the agent is called."""
        module = create_module(**{**BEGUN, "for_seconds": wrong})
        with pytest.raises(FixInput, match=f"for_seconds of 1 to 31622400, a year, found {wrong}"):
            maintenance.run(module, Embedded(module.params, lambda _command: (0, "", ""), False))

    @pytest.mark.parametrize("wrong", ["soon", "2026-01-01T09:30:00"])
    def test_times_that_could_be_misread(self, create_module: Any, wrong: str) -> None:
        """A time without its zone would be another one elsewhere."""
        module = create_module(**{**BEGUN, "latest_safe_restart": wrong})
        with pytest.raises(FixInput, match="with its zone"):
            maintenance.run(module, Embedded(module.params, lambda _command: (0, "", ""), False))

    def test_provider_without_records(self, create_module: Any) -> None:
        """What a backend cannot do is refused with what to do instead."""

        class Other:
            facts = Facts("other", instead={"can_record_maintenance": "tell the others"})

        with pytest.raises(FixInput, match="tell the others"):
            maintenance.run(create_module(**ENDED), Other())


class TestCheckMode:
    def run(self, create_module: Any, agent: Any, shown: dict[str, Any], options: dict[str, Any]) -> Any:
        agent.expect("status", answer=shown)
        module = create_module(check_mode=True, **options)
        return maintenance.run(module, Embedded(module.params, agent, True))

    def test_begins(self, create_module: Any, agent: Any) -> None:
        """The record is predicted with what the agent has observed, and the lease beside those of others."""
        other = {"owner": "you", "reason": "audit", "expires_at": None}
        outcome = self.run(create_module, agent, status(None, other), BEGUN)
        record = outcome.record["maintenance"]
        assert outcome.changed
        assert set(MINE) == set(record)
        assert ({"time": 1}, {"time": 2}, LATEST) == (
            record["oldest"],
            record["captured"],
            record["latest_safe_restart"],
        )
        assert ["me", "you"] == [lease["owner"] for lease in outcome.record["leases"]]
        assert record["until"] == outcome.record["leases"][0]["expires_at"]

    def test_renews(self, create_module: Any, agent: Any) -> None:
        """When it began stays, and so does the latest safe restart unless there is another one."""
        outcome = self.run(create_module, agent, status(MINE, LEASE), {**BEGUN, "latest_safe_restart": None})
        record = outcome.record["maintenance"]
        assert (True, MINE["began_at"], LATEST) == (
            outcome.changed,
            record["began_at"],
            record["latest_safe_restart"],
        )
        assert 1 == len(outcome.record["leases"])

    def test_renews_nothing_that_was_never_ended(self, create_module: Any, agent: Any) -> None:
        """The agent ran on after its time: when it began and by when it had to run are of then."""
        over = {**MINE, "until": LATEST}
        wanted = {**BEGUN, "latest_safe_restart": None}
        record = self.run(create_module, agent, status(over, alive=True), wanted).record["maintenance"]
        assert (True, None) == (record["began_at"] != MINE["began_at"], record["latest_safe_restart"])

    def test_is_refused_as_the_agent_would(self, create_module: Any, agent: Any) -> None:
        """Another owner's maintenance that is not over is in the way."""
        with pytest.raises(AskOperator, match="that of you"):
            self.run(create_module, agent, status(YOURS), BEGUN)

    def test_takes_the_place_of_what_is_over(self, create_module: Any, agent: Any) -> None:
        """Another owner's maintenance that was overrun is not."""
        over = {**YOURS, "until": "2026-01-01T00:00:01Z"}
        assert "me" == self.run(create_module, agent, status(over), BEGUN).record["maintenance"]["owner"]

    @pytest.mark.parametrize(
        ("changed", "left", "record", "leases"),
        [
            (True, None, MINE, [LEASE]),
            (True, None, None, [LEASE]),
            (False, None, None, []),
            (False, YOURS, YOURS, []),
        ],
    )
    def test_ends(self, create_module: Any, agent: Any, changed: bool, left: Any, record: Any, leases: Any) -> None:
        """What belongs to the owner would be removed, and nothing else."""
        outcome = self.run(create_module, agent, status(record, *leases), ENDED)
        assert (changed, left) == (outcome.changed, outcome.record["maintenance"])

    def test_old_agent(self, create_module: Any, agent: Any) -> None:
        """One whose status has no maintenance would not know the command either."""
        with pytest.raises(FixInput, match="upgrade the agent"):
            self.run(create_module, agent, {"ok": True, "verdict": "ok", "leases": []}, BEGUN)


class TestMain:
    def test_beginning_needs_a_reason_and_a_time(self, run_main: Any) -> None:
        """Whoever finds the agent down must be able to read why, and until when."""
        code, result = run_main(maintenance, agent_config="/etc/orders.yml", state="begun", owner="me")
        assert (1, "state is begun but all of the following are missing: reason, for_seconds") == (code, result["msg"])
