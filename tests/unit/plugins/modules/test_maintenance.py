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
DRY = (*BEGIN, "--latest-safe-restart", LATEST, "--dry-run")


def status(record: Any, *leases: Any) -> dict[str, Any]:
    """Return what the agent, which is down, shows while there is this record."""
    shown = None if record is None else {**record, "overdue": False, "seconds_left": 5}
    return {"ok": True, "verdict": "warning", "maintenance": shown, "leases": list(leases)}


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
    def run(self, create_module: Any, agent: Any, options: dict[str, Any]) -> Any:
        module = create_module(check_mode=True, **options)
        return maintenance.run(module, Embedded(module.params, agent, True))

    def test_begins(self, create_module: Any, agent: Any) -> None:
        """The agent is asked what it would do, which is the answer; the difference begins with what there is."""
        agent.expect("status", answer=status(MINE, LEASE))
        after = {"maintenance": {**MINE, "until": LATEST}, "leases": [LEASE]}
        agent.expect(*DRY, answer={"ok": True, "changed": True, "renewed": True, **after})
        module = create_module(check_mode=True, diff=True, **BEGUN)
        outcome = maintenance.run(module, Embedded(module.params, agent, True))
        assert (True, {**after, "renewed": True}) == (outcome.changed, outcome.record)
        assert {"before": {"maintenance": MINE, "leases": [LEASE]}, "after": after} == outcome.diff

    def test_is_refused_as_the_agent_would(self, create_module: Any, agent: Any) -> None:
        """In the agent's words, with the record that is in the way."""
        error = {"code": "refused", "message": "found that of you", "details": {"maintenance": YOURS}}
        agent.expect(*DRY, answer={"ok": False, "error": error}, code=3)
        with pytest.raises(AskOperator, match="that of you") as caught:
            self.run(create_module, agent, BEGUN)
        assert YOURS == caught.value.details["maintenance"]

    def test_agent_that_cannot_be_asked(self, create_module: Any, agent: Any) -> None:
        """Of an agent that is too old nothing is guessed: beginning would not be safe to plan."""
        agent.expect(*DRY, answer="", code=2, err="Usage: …\n\nError: No such option: --dry-run\n")
        with pytest.raises(FixInput, match="upgrade the agent on this host") as caught:
            self.run(create_module, agent, BEGUN)
        assert "agent_too_old" == caught.value.code

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
        agent.expect("status", answer=status(record, *leases))
        outcome = self.run(create_module, agent, ENDED)
        assert (changed, left) == (outcome.changed, outcome.record["maintenance"])

    def test_old_agent(self, create_module: Any, agent: Any) -> None:
        """One whose status has no maintenance would not know the command either."""
        agent.expect("status", answer={"ok": True, "verdict": "ok", "leases": []})
        with pytest.raises(FixInput, match="upgrade the agent"):
            self.run(create_module, agent, ENDED)


class TestMain:
    def test_beginning_needs_a_reason_and_a_time(self, run_main: Any) -> None:
        """People who find the agent down must be able to read why, and until when."""
        code, result = run_main(maintenance, agent_config="/etc/orders.yml", state="begun", owner="me")
        assert (1, "state is begun but all of the following are missing: reason, for_seconds") == (code, result["msg"])
