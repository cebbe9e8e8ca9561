"""What docs/ops-manager.md says in numbers, and what its methods leave behind, counted at the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import OPS_MANAGER
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.ops_manager import OpsManager
from tests.ops_manager import Emulator
from tests.unit.tables import rows

NUMBERS = {row["call"]: row for row in rows("ops-manager.md", "call")}
WHY = ("ops@controller", "a test", "required", None)


@pytest.fixture
def om() -> Iterator[Emulator]:
    """Give an emulator that runs."""
    with Emulator() as emulator:
        yield emulator


def asked_for(om: Emulator, kind: str) -> str:
    """Add a backup that has to be resynced, and return the id of its cluster."""
    cluster = om.add_replica_set() if kind == "replica set" else om.add_sharded_cluster(shards=2, members=3)
    om.add_snapshot(cluster)
    om.raise_alert("RESYNC_REQUIRED", cluster)
    return cluster


def provider(om: Emulator, cluster: str, check_mode: bool = False, **more: Any) -> OpsManager:
    """Return the provider of a job, as one run of a module builds it."""
    key = {"url": om.url, "public_key": om.public_key, "private_key": om.private_key}
    option = {**key, "project": om.project_id, "cluster": cluster, "poll_seconds": 0.1, **more}
    result = ArgumentSpecValidator(OPS_MANAGER.options).validate({"ops_manager": option})
    assert not result.error_messages
    return OpsManager(result.validated_parameters, lambda _command: (1, "", ""), check_mode)


class Counting:
    """Counts the requests of each call."""

    def __init__(self, om: Emulator, cluster: str) -> None:
        self.om, self.cluster = om, cluster

    def told(self, call: str, kind: str) -> int:
        """Return what the page says."""
        return int(NUMBERS[call][kind])

    def made(self, verb: str, *arguments: Any, check_mode: bool = False, **more: Any) -> tuple[int, dict[str, Any]]:
        """Return how many requests a verb made, and its answer."""
        before = len(self.om.requests)
        answer = getattr(provider(self.om, self.cluster, check_mode, **more), verb)(*arguments)
        return len(self.om.requests) - before, answer


@pytest.mark.parametrize("kind", ["replica set", "sharded cluster"])
class TestRequests:
    def test_of_reading(self, om: Emulator, kind: str) -> None:
        """The table that people choose poll_seconds by is what is really asked."""
        count = Counting(om, asked_for(om, kind))
        assert count.told("status, which is one job of a check", kind) == count.made("status")[0]
        plan = count.made("start_resync", *WHY, check_mode=True, feature_compatibility_version="4.0")
        assert count.told("plan of a resync", kind) == plan[0]

    def test_of_a_hand_off(self, om: Emulator, kind: str) -> None:
        """The same for what changes something, up to putting it back."""
        count = Counting(om, asked_for(om, kind))
        number, answer = count.made("start_resync", *WHY)
        assert count.told("begin a resync, `hand_off`", kind) == number
        assert count.told("one poll while it is followed", kind) == count.made("operation", None)[0]
        number, _answer = count.made("cancel_resync", answer["operation"]["id"])
        assert count.told("the last one, which puts everything back", kind) == number
        begun = count.made("begin_maintenance", "ops@controller", "a test", 60, None)
        assert count.told("begin or end a maintenance", kind) == begun[0]
        assert count.told("begin or end a maintenance", kind) == count.made("end_maintenance", "ops@controller")[0]

    def test_of_a_restart(self, om: Emulator, kind: str) -> None:
        """The same for a poll that also sends the next request."""
        count = Counting(om, asked_for(om, kind))
        number, answer = count.made("start_resync", *WHY, method="restart")
        assert count.told("begin a resync, `restart`", kind) == number
        name = answer["operation"]["id"]
        while not count.made("operation", name, method="restart")[1]["operation"]["next_write"]:
            pass
        number, _answer = count.made("continue_operation", name, method="restart")
        assert count.told("one poll and stop, terminate or start", kind) == number


def test_a_shard_is_handed_off_with_the_snapshot_of_its_cluster_kept(om: Emulator) -> None:
    """Its share of a snapshot cannot be kept alone, so that of the whole cluster is, and given free again."""
    whole = om.add_sharded_cluster()
    kept = om.add_snapshot(whole)
    shard = om.parts(whole)[0]
    om.raise_alert("RESYNC_REQUIRED", shard)
    begun = provider(om, shard).start_resync(*WHY)["operation"]
    assert ["maintenance window", f"snapshot {kept}"] == [" ".join(left.split()[:2]) for left in begun["left_behind"]]
    assert provider(om, shard).cancel_resync(begun["id"])["changed"]
    assert {} == om.world.projects[om.project_id].windows
