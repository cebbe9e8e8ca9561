# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""resync."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import resync
from tests.unit.plugins.module_utils.ops_manager.emulated import Product, until

STARTED = {
    "state": "started",
    "owner": "me",
    "reason": "alert",
    "policy": "required",
    "older_than_days": None,
    "operation": None,
}
COMMAND = ("resync", "--owner", "me", "--reason", "alert", "--policy", "required")
CONTINUED = {**STARTED, "state": "continued", "owner": None, "reason": None}
OPERATION = {"id": "r-1", "kind": "resync", "state": "queued"}
PLAN = {"checks": [], "source": "b:1"}


class TestRun:
    def test_starts(self, create_module: Any, agent: Any) -> None:
        """The operation is returned, so that it can be followed."""
        answer = {
            "changed": True,
            "needed": True,
            "why": "gap",
            "attached": False,
            "operation": OPERATION,
            "plan": PLAN,
        }
        agent.expect(*COMMAND, answer={"ok": True, **answer})
        module = create_module(**STARTED)
        outcome = resync.run(module, Embedded(module.params, agent, False))
        assert answer == {"changed": outcome.changed, **outcome.record}
        assert {"resync": "started"} == outcome.diff["after"]

    def test_not_needed(self, create_module: Any, agent: Any) -> None:
        """A backup in good order is left alone."""
        answer = {"ok": True, "changed": False, "needed": False, "why": "in sync", "attached": False, "operation": None}
        agent.expect(*COMMAND, answer=answer)
        module = create_module(**STARTED)
        outcome = resync.run(module, Embedded(module.params, agent, False))
        assert (False, None, {}) == (outcome.changed, outcome.record["operation"], outcome.diff["after"])

    def test_check_mode_plans(self, create_module: Any, agent: Any) -> None:
        """Check mode shows the plan and predicts the change."""
        answer = {"ok": True, "changed": False, "needed": True, "why": "gap", "attached": False, "plan": PLAN}
        agent.expect(*COMMAND, "--dry-run", answer=answer)
        module = create_module(check_mode=True, **STARTED)
        outcome = resync.run(module, Embedded(module.params, agent, True))
        assert (True, PLAN, None) == (outcome.changed, outcome.record["plan"], outcome.record["operation"])

    def test_failed_preflight_keeps_the_plan(self, create_module: Any, agent: Any) -> None:
        """What is missing stands in the plan, so a refusal must carry it."""
        error = {"code": "preflight_failed", "message": "disk too small", "details": {"plan": PLAN}}
        agent.expect(*COMMAND, answer={"ok": False, "error": error}, code=3)
        module = create_module(**STARTED)
        with pytest.raises(AskOperator, match="disk too small") as caught:
            resync.run(module, Embedded(module.params, agent, False))
        assert PLAN == caught.value.details["plan"]

    def test_cancels(self, create_module: Any, agent: Any) -> None:
        """Exactly the operation that was named is canceled."""
        agent.expect("resync", "--cancel", "r-1", answer={"ok": True, "changed": True, "operation": OPERATION})
        module = create_module(**{**STARTED, "state": "canceled", "operation": "r-1"})
        outcome = resync.run(module, Embedded(module.params, agent, False))
        assert (True, OPERATION, None) == (outcome.changed, outcome.record["operation"], outcome.record["needed"])


class TestContinued:
    @pytest.mark.parametrize("check_mode", [False, True])
    def test_sends_what_the_operation_waits_for(self, create_module: Any, check_mode: bool) -> None:
        """The one request, and none in check mode; owner and reason are those that it was begun with."""
        with Product() as product:
            begun = product.start(method="restart")
            until(lambda: product.seen().status == "STOPPED", "the stop")
            before = product.writes()
            module = create_module(check_mode=check_mode, **{**CONTINUED, "operation": begun["id"]})
            outcome = resync.run(module, product.provider(check_mode=check_mode, method="restart"))
            sent = product.writes()[len(before) :]
        assert (True, begun["id"]) == (outcome.changed, outcome.record["operation"]["id"])
        assert {"resync": "continued"} == outcome.diff["after"]
        assert ([] if check_mode else ["PATCH", "PATCH"]) == [method for method, _path in sent]

    def test_nothing_to_send(self, create_module: Any) -> None:
        """While only a person or the product has something to do, it is no change."""
        with Product() as product:
            begun = product.start()
            before = product.writes()
            module = create_module(**{**CONTINUED, "operation": begun["id"]})
            outcome = resync.run(module, product.provider())
            assert before == product.writes()
        assert (False, {}) == (outcome.changed, outcome.diff["after"])

    def test_an_agent_needs_no_requests(self, create_module: Any, agent: Any) -> None:
        """Its operations go on by themselves, so this only reads."""
        agent.expect("operation", "r-1", answer={"ok": True, "operation": OPERATION})
        module = create_module(**{**CONTINUED, "operation": "r-1"})
        outcome = resync.run(module, Embedded(module.params, agent, False))
        assert (False, OPERATION) == (outcome.changed, outcome.record["operation"])


class TestMain:
    @pytest.mark.parametrize(
        ("expected", "params"),
        [
            ("state is started but all of the following are missing: owner, reason", {}),
            ("state is continued but all of the following are missing: operation", {"state": "continued"}),
            ("state is canceled but all of the following are missing: operation", {"state": "canceled"}),
            (
                "policy is older_than but all of the following are missing: older_than_days",
                {"owner": "me", "reason": "r", "policy": "older_than"},
            ),
        ],
    )
    def test_required_options(self, run_main: Any, expected: str, params: dict[str, str]) -> None:
        """Nobody starts without saying who and why, nor cancels without saying what."""
        code, result = run_main(resync, agent_config="/etc/orders.yml", **params)
        assert (1, expected) == (code, result["msg"])
