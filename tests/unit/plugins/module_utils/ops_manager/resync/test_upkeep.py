# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance of a job, recorded in a window that mutes alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import MAINTENANCE
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import requests, upkeep

from ..emulated import Product

MUTE = ("BACKUP",)


def begin(product: Product, owner: str = "alice", seconds: int = 600, **changes: object) -> dict[str, object]:
    latest = "2099-01-01T00:00:00Z" if changes.pop("latest", False) else None
    return upkeep.begin(product.seen(**changes), owner, "patching", seconds, latest, MUTE, False)


def test_is_shown(product: Product) -> None:
    """Who, why, until when, and the latest moment for a restart."""
    assert upkeep.shown(product.seen()) is None
    begin(product, latest=True)
    found = upkeep.shown(product.seen())

    assert found is not None
    assert ("alice", "patching", "2099-01-01T00:00:00Z") == (
        found["owner"],
        found["reason"],
        found["latest_safe_restart"],
    )
    assert found["seconds_left"] > 0


def test_mutes_the_agents_too(product: Product) -> None:
    """They are away together with the backups."""
    begin(product)
    (window,) = product.windows()

    assert {"BACKUP", "AGENT"} == set(product.seen().windows[0].alert_types or ())
    assert window.id


def test_ones_own_is_prolonged(product: Product) -> None:
    """There is one window, whatever is begun twice; the end and the latest restart are the new ones, or stay."""
    first = begin(product, latest=True)
    before = product.seen().windows[0].end
    again = begin(product, seconds=6000)
    assert (False, True) == (first["renewed"], again["renewed"])
    (after,) = product.seen().journals(MAINTENANCE)

    assert before is not None
    assert after.ends is not None
    assert after.ends > before
    assert "2099-01-01T00:00:00Z" == after.deadline


def test_somebody_elses_is_refused(product: Product) -> None:
    """With who it is."""
    begin(product)
    with pytest.raises(AskOperator, match="alice") as caught:
        begin(product, owner="bob")

    assert ("refused", 1) == (caught.value.code, len(product.windows()))


def test_ends_all_of_ones_own_and_nothing_else(product: Product) -> None:
    """Two of the same owner can come of an answer that was lost; those of others and of other clusters stay."""
    items = product.add_replica_set("items")
    begin(product)
    begin(product, cluster=items)
    (mine,) = product.seen().journals(MAINTENANCE)
    job = product.seen()
    assert mine.ends is not None
    requests.open_window(job, replace(mine, owner="bob", began="2020-01-01T00:00:00Z"), MUTE, mine.ends)
    requests.open_window(job, replace(mine, began="2020-01-02T00:00:00Z"), MUTE, mine.ends)
    found = upkeep.end(product.seen(), "alice", False)

    assert (True, "bob") == (found["changed"], found["maintenance"]["owner"])
    assert ["bob"] == [one.owner for one in product.seen().journals(MAINTENANCE)]
    assert 1 == len(product.seen(cluster=items).journals(MAINTENANCE))
    assert not upkeep.end(product.seen(), "alice", False)["changed"]


def test_check_mode_writes_nothing(product: Product) -> None:
    """Neither at the beginning nor at the end; what is renewed, or refused, is said all the same."""

    def asked(owner: str) -> dict[str, object]:
        return upkeep.begin(product.seen(), owner, "patching", 60, None, MUTE, True)

    assert not asked("alice")["renewed"]
    assert [] == product.writes()
    begin(product)
    before = product.writes()
    assert asked("alice")["renewed"]
    with pytest.raises(AskOperator, match="found that of alice"):
        asked("bob")
    assert upkeep.end(product.seen(), "alice", True)["changed"]
    assert before == product.writes()
