"""What a resync refuses before anything is changed, and one for which nobody ever presses the button."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.ops_manager.desk import Desk
from tests.integration.ops_manager.office import Office, has_written, waits_for_the_button
from tests.integration.site import flat
from tests.ops_manager import Emulator


class Refused:
    """Jobs of which each has another reason not to be resynced, and one that has none."""

    def __init__(self, directory: Path, om: Emulator) -> None:
        self.om, self.office = om, Office(directory)
        self.whole = om.add_sharded_cluster("shop")
        self._add("shard", om.parts(self.whole)[0], "restart")
        self.lost = om.add_replica_set("lost")
        self.snapshot = om.add_snapshot(self.lost)
        self._add("lost", self.lost, "terminate")
        self._add(
            "modern", om.add_replica_set("modern", fcv="4.2"), "restart", backup_feature_compatibility_version="4.2"
        )
        silent = om.add_project("silent", agents=False)
        agent = om.add_agent("BACKUP", "gone.example.com", project=silent)
        agent.running, agent.last_conf = False, agent.since - timedelta(hours=2)
        self._add("silent", om.add_replica_set("silent", project=silent), "restart", backup_ops_manager_project=silent)
        self._add("sound", om.add_replica_set("sound"), "restart")

    def _add(self, name: str, cluster: str, method: str, **variables: str) -> None:
        self.om.raise_alert("RESYNC_REQUIRED", cluster)
        self.office.add(name, self.om, method, backup_ops_manager_cluster=cluster, **variables)


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Refused]:
    """Yield the jobs in one emulator."""
    with Emulator() as om:
        yield Refused(tmp_path, om)


def test_what_cannot_be_resynced_is_refused_in_the_plan(refused: Refused) -> None:
    """Every refusal says what to do instead; the sound job beside them is planned; check mode sends no write."""
    text = flat(refused.office.run("resync", "--check", rc=2))
    assert f"give {refused.whole} (shop) as cluster, or method hand_off" in text
    assert f"1 will be destroyed: {refused.snapshot} of" in text
    assert "set backup_confirm_snapshot_loss=true, or choose another method" in text
    assert "from 4.2 on the product needs no resync" in text
    assert "backup agent: gone.example.com ACTIVE; start the agent" in text
    assert "sound will be resynced" in text
    for job in ("shard", "lost", "modern", "silent"):
        assert f"{job} cannot be resynced" in text
    assert not has_written(refused.om)
    without = flat(refused.office.run("resync", rc=2))
    assert "expected backup_confirm=yes, found no; nothing was changed" in without
    assert not has_written(refused.om)


def test_nobody_presses_the_button(tmp_path: Path) -> None:
    """After its time the resync fails, and the window is gone, the snapshot has its end again, and the backup never stopped."""
    with Emulator() as om:
        cluster = om.add_replica_set("orders")
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        desk, office = Desk(om, cluster, "hand_off"), Office(tmp_path)
        office.add("orders", om, backup_hand_off_minutes=0.05)
        text = flat(office.run("resync", "-e", "backup_confirm=yes", rc=2))
        assert waits_for_the_button(om)
        assert "in the row of orders press … and Resync" in text
        assert "nobody pressed the button in time" in text
        assert "left as it is" not in text
        assert ({}, desk.before) == (desk.nothing_left(), desk.expiry())
        assert not any("backupConfigs" in asked.path for asked in om.requests if asked.method != "GET")
