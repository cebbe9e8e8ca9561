# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The provider of Ops Manager against the emulated product: whole resyncs, second runs, and what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, BackupError, FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import requests
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.ops_manager import OpsManager

from ..ops_manager.emulated import Product, until

TERMINATE = {"method": "terminate", "confirm_snapshot_loss": True}


def press(product: Product, cluster: str | None = None) -> None:
    """Press the button as a person does, with the code."""
    assert "code asked for" == product.press_resync(cluster or product.orders)
    product.verify()
    product.press_resync(cluster or product.orders)


def waiting(product: Product, operation: str) -> None:
    """Go on until a person has to press the button."""
    until(lambda: product.carry_on(operation)["progress"]["phase"] == "waiting for the button", "the wait")


class TestMethods:
    def test_restart(self, product: Product) -> None:
        """The backup is stopped and started, the newest snapshot is kept meanwhile, and nothing is left behind."""
        product.alert()
        begun = product.start(method="restart")
        assert ([product.snapshot], 1) == (product.held(), len(product.windows()))
        ended = product.carry_to_end(begun["id"], method="restart")

        assert ("done", []) == (ended["state"], ended["left_behind"])
        assert ended["result"]["snapshot"] not in (None, product.snapshot)
        assert ([], []) == (product.held(), product.windows())
        assert product.snapshot in [one.id for one in product.snapshots(product.orders)]

    def test_terminate(self, product: Product) -> None:
        """All older snapshots are gone, and there is a new one."""
        product.alert()
        ended = product.carry_to_end(product.start(**TERMINATE)["id"], **TERMINATE)

        assert ("done", []) == (ended["state"], product.windows())
        assert [ended["result"]["snapshot"]] == [one.id for one in product.snapshots(product.orders)]

    def test_hand_off(self, product: Product) -> None:
        """Nothing is stopped; the person presses the button twice, because a code is asked for in between."""
        product.alert()
        begun = product.start()
        waiting(product, begun["id"])
        press(product)
        ended = product.carry_to_end(begun["id"])

        assert ("done", [], []) == (ended["state"], product.held(), product.windows())
        assert not [path for _method, path in product.writes() if "backupConfigs" in path]

    def test_sharded_cluster(self, product: Product) -> None:
        """It is one job, done when all shards and the config servers have been read."""
        shop = product.add_sharded_cluster("shop")
        product.add_snapshot(shop)
        shape = {"cluster": "shop", "method": "restart"}
        ended = product.carry_to_end(product.start(**shape)["id"], **shape)

        assert "done" == ended["state"]
        assert "3 of 3 replica sets" in next(step["note"] for step in ended["steps"] if step["name"] == "sync")

    @pytest.mark.parametrize("method", ["restart", "terminate"])
    def test_one_shard_is_refused(self, product: Product, method: str) -> None:
        """The product changes whole clusters only, and the refusal names the id of that."""
        shop = product.add_sharded_cluster("shop")
        with pytest.raises(AskOperator, match=f"give {shop}"):
            product.start(cluster="shop-1", method=method, confirm_snapshot_loss=True)
        assert [] == product.writes()

    def test_one_shard_by_hand(self, product: Product) -> None:
        """The snapshots of a shard are kept through its cluster: the product changes no part of one."""
        shop = product.add_sharded_cluster("shop")
        kept = product.add_snapshot(shop)
        shape = {"cluster": "shop-1"}
        begun = product.start(**shape)
        assert [kept] == [one.id for one in product.snapshots(shop) if one.held]
        press(product, product.parts(shop)[1])
        ended = product.carry_to_end(begun["id"], **shape)

        assert "done" == ended["state"]
        assert [] == [one.id for one in product.snapshots(shop) if one.held]

    @pytest.mark.parametrize("switch", ["sync_events", "fractions", "clock_skew"])
    def test_versions_that_differ(self, product: Product, switch: str) -> None:
        """One that logs no sync, one that prints fractions of a second, and one whose clock is an hour ahead."""
        setattr(product.switches, switch, {"sync_events": False, "fractions": True, "clock_skew": 3600.0}[switch])
        product.alert()
        ended = product.carry_to_end(product.start(method="restart")["id"], method="restart")

        assert "done" == ended["state"]


class TestStart:
    def test_not_needed(self, product: Product) -> None:
        """Without an alert nothing is begun."""
        found = product.provider().start_resync("alice", "alert", "required", None)
        assert (False, False, None, []) == (found["needed"], found["changed"], found["operation"], product.writes())

    def test_a_second_run_goes_on(self, product: Product) -> None:
        """The same owner attaches to what is open, and sends what it waits for."""
        product.alert()
        begun = product.start(method="restart")
        again = product.provider(method="restart").start_resync("alice", "alert", "required", None)
        assert (True, begun["id"], 1) == (again["attached"], again["operation"]["id"], len(product.windows()))

    def test_somebody_elses_is_refused(self, product: Product) -> None:
        """Who it is and why stands in the refusal, and nothing is sent."""
        product.start()
        before = product.writes()
        with pytest.raises(AskOperator, match="of alice") as caught:
            product.provider().start_resync("bob", "mine", "always", None)
        assert ("operation_open", before) == (caught.value.code, product.writes())

    @pytest.mark.parametrize(("first", "second"), [("shop", "shop-1"), ("shop-1", "shop")])
    def test_a_part_and_its_cluster_are_not_resynced_at_once(self, product: Product, first: str, second: str) -> None:
        """Both would write to the same backup, so one who finds the other's record goes no further."""
        product.add_snapshot(product.add_sharded_cluster("shop"))
        product.start(cluster=first)
        with pytest.raises(AskOperator, match="no open operation on this job") as caught:
            product.start(cluster=second)
        assert "operation_open" == caught.value.code

    def test_what_was_begun_is_named_when_the_product_dies(self, product: Product) -> None:
        """The window is there, and the error says so, since the product cannot be asked any more."""
        product.die_at("POST", "/maintenanceWindows", when="after")
        with pytest.raises(BackupError):
            product.start()
        product.revive()
        (window,) = product.windows()
        again = product.start()
        assert window.id in again["left_behind"][0]

    def test_a_failed_look_at_others_says_what_is_left(self, product: Product) -> None:
        """The record is written, and then nothing can be read: the error has to name the window."""
        product.hang("GET", "/maintenanceWindows", seconds=0.01)
        product.fault("GET", "/maintenanceWindows", status=500)
        with pytest.raises(BackupError) as caught:
            product.start()
        (window,) = product.windows()
        assert window.id in caught.value.details["left_behind"][0]

    def test_an_unconfirmed_loss_is_refused_where_there_is_none_yet(self, product: Product) -> None:
        """A snapshot may be finished until the backup is terminated."""
        items = product.add_replica_set("items")
        assert [] == product.snapshots(items)
        with pytest.raises(AskOperator, match="confirm_snapshot_loss"):
            product.start(cluster="items", method="terminate")
        assert [] == product.writes()

    def test_going_on_needs_the_confirmation_of_the_loss_too(self, product: Product) -> None:
        """Attaching with other wishes must not destroy what these wishes would have kept."""
        begun = product.start(**TERMINATE)
        until(lambda: product.seen().status == "STOPPED", "the stop")
        with pytest.raises(AskOperator, match=begun["id"]) as caught:
            product.carry_on(begun["id"], method="restart")
        assert "snapshot_loss_unconfirmed" == caught.value.code
        assert product.snapshot in [one.id for one in product.snapshots(product.orders)]


class TestCancel:
    def test_waits_for_a_stop_on_its_way(self, product: Product) -> None:
        """The product shows the old state for a while: a record taken away then would leave a stopped backup behind."""
        product.timing.patch = 3600.0
        begun = product.start(method="restart", poll_seconds=30)
        assert "STARTED" == product.seen().status
        with pytest.raises(BackupError, match="no effect yet") as caught:
            product.provider(method="restart", poll_seconds=30).cancel_resync(begun["id"])
        assert (True, 1) == (caught.value.retry, len(product.windows()))

        product.skip(3600)
        product.timing.patch = 0.1
        found = product.provider(method="restart", poll_seconds=30).cancel_resync(begun["id"])
        until(lambda: product.seen().status == "STARTED", "the start")
        assert ("canceled", [], []) == (found["operation"]["state"], product.held(), product.windows())

    def test_keeps_its_record_while_a_start_is_refused(self, product: Product) -> None:
        """A start that the product does not take leaves the backup stopped, so somebody has to know of it."""
        begun = product.start(method="restart")
        until(lambda: product.seen().status == "STOPPED", "the stop")
        product.fault("PATCH", "/backupConfigs", error_code="CANNOT_START_BACKUP_INVALID_STATE")
        with pytest.raises(BackupError, match="a start that the product refused"):
            product.provider(method="restart").cancel_resync(begun["id"])
        assert 1 == len(product.windows())

    def test_a_canceled_one_is_never_shown_as_done(self, product: Product) -> None:
        """A snapshot of the schedule after it tells of no sync."""
        old = product.start(method="restart")
        product.carry_to_end(old["id"], method="restart")
        product.next_second()
        begun = product.start()
        product.provider().cancel_resync(begun["id"])
        product.scheduled_snapshot()

        # The same record, had it been begun by another method.
        for operation in (begun["id"], begun["id"].replace("hand_off", "restart")):
            found = product.provider().operation(operation)["operation"]
            assert ("failed", "not_synced") == (found["state"], found["error"]["code"])

    def test_an_ended_one_is_left_alone(self, product: Product) -> None:
        """Canceling twice is no change, and an id of something else is refused."""
        begun = product.start()
        assert product.provider().cancel_resync(begun["id"])["changed"]
        assert not product.provider().cancel_resync(begun["id"])["changed"]
        with pytest.raises(FixInput, match="read the id"):
            product.provider().cancel_resync("resync-7")

    def test_the_second_of_two_records_can_be_canceled(self, product: Product) -> None:
        """Should two have begun, each is canceled by its own id."""
        begun = product.start()
        job = product.seen()
        (first,) = job.journals(journals.RESYNC)
        second = replace(first, id="resync-20990101T000000Z-hand_off", began="2099-01-01T00:00:00Z")
        requests.open_window(job, second, ("BACKUP",), first.ends or job.now)
        assert product.provider().cancel_resync(second.id)["changed"]
        assert [begun["id"]] == [one.id for one in product.seen().journals(journals.RESYNC)]


class TestOperation:
    def test_nobody_comes(self, product: Product) -> None:
        """After the deadline everything is put back, and the operation says why it failed."""
        product.alert()
        begun = product.start(hand_off_minutes=0.02)
        ended = product.carry_to_end(begun["id"], hand_off_minutes=0.02)
        assert ("failed", [], []) == (ended["state"], product.held(), product.windows())

    @pytest.mark.parametrize("hide", [True, False])
    def test_a_muted_alert_is_not_a_closed_one(self, product: Product, hide: bool) -> None:
        """Whether a window hides alerts is not documented; a snapshot of the schedule while nobody comes proves nothing."""
        product.switches.windows_hide_alerts = hide
        product.alert()
        begun = product.start()
        waiting(product, begun["id"])
        product.scheduled_snapshot()
        assert ("running", "sync") == tuple(product.carry_on(begun["id"])[name] for name in ("state", "step"))

    def test_a_snapshot_without_a_shard_is_no_end(self, product: Product) -> None:
        """From one that misses a shard the cluster cannot be restored."""
        shop = product.add_sharded_cluster("shop")
        product.add_snapshot(shop)
        product.timing.snapshot = 3600.0
        shape = {"cluster": "shop", "method": "restart"}
        begun = product.start(**shape)
        making = until(lambda: _making(product, shop, lambda: product.carry_on(begun["id"], **shape)), "a snapshot")
        making.complete, making.missing_shards = True, [product.parts(shop)[1]]
        assert "validate" == product.carry_on(begun["id"], **shape)["step"]
        making.missing_shards = []
        assert "done" == product.carry_to_end(begun["id"], **shape)["state"]

    def test_the_sync_of_a_namesake_is_not_ours(self, product: Product) -> None:
        """Events name no cluster, and the config servers of two clusters may have one name."""
        other = product.add_replica_set("orders")
        begun = product.start(cluster=product.orders)
        press(product, other)
        until(lambda: not product.syncing(other), "the other sync")
        product.scheduled_snapshot()
        assert "running" == product.carry_on(begun["id"], cluster=product.orders)["state"]

    def test_a_stopped_backup_whose_record_has_run_out(self, product: Product) -> None:
        """A window that ended while nobody went on takes the record along: what is stopped is said all the same."""
        begun = product.start(method="restart")
        until(lambda: product.seen().status == "STOPPED", "the stop")
        product.world.projects[product.project_id].windows.clear()
        found = product.provider().operation(begun["id"])["operation"]
        assert "failed" == found["state"]
        assert ["the backup of orders is STOPPED"] == [text.split(":")[0] for text in found["left_behind"]]

    def test_one_that_a_person_began_is_followed(self, product: Product) -> None:
        """Without a record of ours it goes on until its snapshot is there; there is nothing to put back."""
        product.never_finish_sync = True
        press(product)
        found = until(lambda: product.provider().operation(None)["operation"], "the sync")
        assert ("running", []) == (found["state"], found["left_behind"])
        product.never_finish_sync = False
        until(lambda: product.provider().operation(found["id"])["operation"]["state"] == "done", "the end")

    def test_nothing_was_ever_synced(self, product: Product) -> None:
        """There is no operation to show."""
        assert product.provider().operation(None)["operation"] is None

    def test_events_are_asked_for_since_it_began(self, product: Product) -> None:
        """A follower asks every half minute, and a project has the events of years."""
        begun = product.start()
        asked = len(product.requests)
        product.carry_on(begun["id"])
        events = [one for one in product.requests[asked:] if one.path.endswith("/events")]
        assert events
        assert all(one.query.get("minDate", [""])[0][:4] >= "2020" for one in events)


def _making(product: Product, cluster: str, work: Callable[[], Any]) -> Any:
    work()
    return next((one for one in product.snapshots(cluster) if not one.complete), None)


class TestOtherClusters:
    def test_a_record_that_somebody_edited_stops_its_own_job_only(self, product: Product) -> None:
        """Half of a record decides nothing about its job, and nothing at all about others."""
        items = product.add_replica_set("items")
        product.add_snapshot(items)
        product.start(cluster="items")
        (window,) = product.windows()
        window.description = window.description[:-20]

        assert "orders" == product.provider().status()["job"]
        with pytest.raises(AskOperator, match=window.id):
            product.provider(cluster="items").status()

    def test_clusters_of_one_name_are_not_resynced(self, product: Product) -> None:
        """Nothing but the name ties shards to their cluster."""
        one = product.add_sharded_cluster("shop")
        two = product.add_sharded_cluster("shop")
        with pytest.raises(AskOperator, match=f"has the same name as {two}"):
            product.start(cluster=one, method="restart")
        assert [] == product.writes()


def start(provider: OpsManager, _snapshot: str) -> Any:
    return provider.start_resync("alice", "alert", "always", None)


def begin_maintenance(provider: OpsManager, _snapshot: str) -> Any:
    return provider.begin_maintenance("alice", "patching", 60, None)


def hold(provider: OpsManager, snapshot: str) -> Any:
    return provider.set_snapshot(snapshot, "held", "alice", False)


def delete(provider: OpsManager, snapshot: str) -> Any:
    return provider.set_snapshot(snapshot, "absent", "alice", False)


class TestCheckMode:
    @pytest.mark.parametrize("verb", [start, begin_maintenance, hold, delete])
    def test_sends_no_write(self, product: Product, verb: Callable[[OpsManager, str], Any]) -> None:
        """The change is predicted from reading alone."""
        found = verb(product.provider(check_mode=True), product.snapshot)
        assert (True, []) == (found["changed"], product.writes())

    def test_changes_no_open_resync(self, product: Product) -> None:
        """Going on with it, canceling it and starting it again are predicted as well."""
        begun = product.start(method="restart")
        until(lambda: product.seen().status == "STOPPED", "the stop")
        before = product.writes()
        provider = product.provider(check_mode=True, method="restart")
        assert provider.continue_operation(begun["id"])["changed"]
        assert provider.cancel_resync(begun["id"])["changed"]
        assert provider.start_resync("alice", "alert", "always", None)["attached"]
        assert before == product.writes()

    def test_ends_no_maintenance(self, product: Product) -> None:
        """The window stays."""
        product.provider().begin_maintenance("alice", "patching", 60, None)
        assert product.provider(check_mode=True).end_maintenance("alice")["changed"]
        assert 1 == len(product.windows())


REFUSED: dict[str, Callable[[OpsManager], Any]] = {
    "sources": lambda provider: provider.sources(),
    "pause": lambda provider: provider.pause_snapshots("alice", "r", None),
    "resume": lambda provider: provider.resume_snapshots("alice"),
    "validate": lambda provider: provider.validate("alice", "digests"),
    "ranges": lambda provider: provider.ranges(),
}


@pytest.mark.parametrize("verb", REFUSED)
def test_what_the_product_cannot_do_is_said(product: Product, verb: str) -> None:
    """The refusal says what to do instead, and asks the product nothing."""
    with pytest.raises(FixInput, match="found ops_manager; ") as caught:
        REFUSED[verb](product.provider())
    assert ("unsupported", []) == (caught.value.code, product.requests)


def test_errors_hold_no_secret(product: Product) -> None:
    """Neither the key nor what is made of it is in an error."""
    product.fault("GET", "/clusters", status=400, error_code="INVALID_ATTRIBUTE", detail=f"bad {product.private_key}")
    with pytest.raises(BackupError) as caught:
        product.provider().status()
    assert product.private_key not in str(caught.value.failure())
