"""A product that answers otherwise than usual, and people who change something in the middle of a resync."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from tests.integration.ops_manager.deaths import WRITES, a_desk
from tests.integration.ops_manager.desk import Desk, Json
from tests.integration.ops_manager.persons import until
from tests.ops_manager.records import Window

SWITCHES: dict[str, Json] = {
    "synchronous": {"asynchronous": False},
    "old-spelling": {"spelling": "old"},
    "no-sync-events": {"sync_events": False},
    "events-name-clusters": {"events_name_clusters": True},
    "ahead": {"clock_skew": 300.0},
    "behind": {"clock_skew": -300.0},
    "provisioning": {"provisioning": True},
    "fractions": {"fractions": True},
    "bare-lists": {"list_links": False, "list_count": False},
}


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_a_resync_ends_whatever_the_version_is_like(switches: dict[str, Any], method: str) -> None:
    """Each method ends and leaves nothing with every way of answering that a version or an account may have."""
    with a_desk(method, **switches) as desk:
        ended = desk.resync()
        assert ended is not None
        assert ("done", {}) == (ended["state"], desk.nothing_left())
        assert "terminate" == method or desk.before == desk.expiry()


@pytest.mark.parametrize("method", WRITES)
def test_being_asked_too_often_is_borne(method: str) -> None:
    """Writes that are put off with 429 are sent again by themselves."""
    with a_desk(method) as desk:
        desk.options["patience_seconds"] = 10
        for verb in ("POST", "PATCH", "DELETE"):
            desk.om.fault(verb, error_code="RATE_LIMITED", status=429, headers={"Retry-After": "0"}, times=2)
        ended = desk.resync()
        assert ended is not None
        assert ("done", {}) == (ended["state"], desk.nothing_left())


@pytest.mark.parametrize(("number", "code"), [(0, "STOP"), (1, "START")])
def test_a_state_that_is_there_already_is_no_error(number: int, code: str) -> None:
    """After a 409 for a state that the backup has by now, the state is read again, and nothing is given up."""
    with a_desk("restart") as desk:
        fault = desk.om.fault(
            "PATCH", "/backupConfigs", error_code=f"CANNOT_{code}_BACKUP_INVALID_STATE", status=409, when="after"
        )
        fault.skip = number
        ended = desk.resync()
        assert 1 == fault.happened
        assert ended is not None
        assert ("done", {}) == (ended["state"], desk.nothing_left())


def in_the_middle(desk: Desk, *phases: str) -> Json:
    """Carry on a resync whose syncs do not end until it is in one of these steps."""
    operation = desk.start()
    assert operation is not None
    while operation["step"] not in phases:
        operation = desk.provider.continue_operation(operation["id"])["operation"]
    return operation


def window_of(desk: Desk) -> Window:
    """Return the one window that there is."""
    (found,) = desk.om.world.projects[desk.om.project_id].windows.values()
    return found


def test_a_journal_that_somebody_edited_is_not_guessed_at() -> None:
    """Nothing is decided on half of a journal: the window is named, and nothing is written."""
    with a_desk("restart") as desk:
        operation = in_the_middle(desk, "sync")
        window = window_of(desk)
        window.description = str(window.description)[:60] + " (see Bob)"
        before = list(desk.writes)
        for ask in (desk.start, lambda: desk.provider.continue_operation(operation["id"])):
            with pytest.raises(AskOperator, match=window.id) as raised:
                ask()
            assert "journal_unreadable" == raised.value.code
        assert before == desk.writes


@pytest.mark.parametrize("method", WRITES)
def test_a_window_that_somebody_deleted_ends_the_resync(method: str) -> None:
    """Without its journal a resync is not known any more: it says where to look, and a new one brings the backup up again."""
    with a_desk(method) as desk:
        desk.om.never_finish_sync = True
        operation = in_the_middle(desk, "sync")
        with desk.om.world.lock:
            desk.om.world.projects[desk.om.project_id].windows.clear()
        found = desk.provider.operation(operation["id"])["operation"]
        assert ("failed", "not_synced") == (found["state"], found["error"]["code"])
        assert "somebody deleted it" in found["error"]["message"]
        desk.om.never_finish_sync = False
        until(lambda: not desk.om.syncing(desk.cluster), "the sync has ended")
        assert (desk.resync() or {"state": "done"})["state"] == "done"
        assert {} == {name: value for name, value in desk.nothing_left().items() if name != "held"}


def test_a_backup_that_somebody_stops_is_theirs() -> None:
    """While a person has stopped the backup in the middle of the sync, nothing is started over their head, and it is said."""
    with a_desk("restart") as desk:
        desk.om.never_finish_sync = True
        operation = in_the_middle(desk, "sync")
        while not desk.om.syncing(desk.cluster):
            operation = desk.provider.continue_operation(operation["id"])["operation"]
        _stop_by_hand(desk)
        sent = len(desk.writes)
        found = desk.provider.continue_operation(operation["id"])["operation"]
        assert (sent, "the backup is STOPPED") == (len(desk.writes), found["progress"]["text"])
        assert any("is STOPPED: until it is started" in left for left in found["left_behind"])
        desk.om.never_finish_sync = False
        desk.cancel(operation["id"])
        assert ({}, desk.before) == (desk.nothing_left(), desk.expiry())


def _stop_by_hand(desk: Desk) -> None:
    desk.provider._job.write("patch", f"/backupConfigs/{desk.cluster}", {"statusName": "STOPPED"})
    while "STOPPED" != desk.provider._job.status:
        pass


def test_the_window_is_prolonged_while_a_sync_takes_long() -> None:
    """A sync that outlasts half of the window does not let the alerts go off."""
    with a_desk("restart") as desk:
        desk.om.never_finish_sync = True
        operation = in_the_middle(desk, "sync")
        with desk.om.world.lock:
            window_of(desk).end -= timedelta(hours=20)
            short = window_of(desk).end
        while window_of(desk).end == short:
            operation = desk.provider.continue_operation(operation["id"])["operation"]
        assert window_of(desk).end - short > timedelta(hours=19)
        assert "restart" == json.loads(str(window_of(desk).description).split(" ", 1)[1])["method"]
        desk.om.never_finish_sync = False
        assert "done" == desk.carry_on(operation)["state"]
        assert {} == desk.nothing_left()
