# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog window and the replication lag that the product has measured."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.oplog_measures import (
    LAG,
    OLD_LAG,
    WINDOW,
    in_seconds,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Measurement

from ..emulated import Product


@pytest.mark.parametrize(
    ("units", "seconds"),
    [("MILLISECONDS", 0.25), ("SECONDS", 250.0), ("HOURS", 900000.0), ("GIGABYTES", None), (None, None)],
)
def test_the_unit_is_read_from_the_answer(units: str | None, seconds: float | None) -> None:
    """The documentation names two, so none is guessed."""
    points = [{"timestamp": "2026-01-01T00:00:00Z", "value": value} for value in (1.0, 250.0, None)]

    assert seconds == in_seconds(Measurement.of({"name": WINDOW, "units": units, "dataPoints": points}))


def test_a_job_has_the_window_of_its_primary_and_the_worst_lag(product: Product) -> None:
    """Of secondaries the one that is furthest behind counts."""
    product.measure("orders-2.example.com", LAG, [5000.0], "MILLISECONDS")
    found = product.seen().measures

    assert (172860.0, 5.0) == (found.window_seconds, found.replication_lag_seconds)


def test_the_smallest_window_of_a_sharded_cluster_counts(product: Product) -> None:
    """The sync of every shard has to end within its own."""
    product.add_sharded_cluster("shop")
    product.measure("shop-1-0.example.com", WINDOW, [2.0], "HOURS")

    assert 7200.0 == product.seen(cluster="shop").measures.window_seconds


def test_one_unknown_window_makes_all_unknown(product: Product) -> None:
    """The smallest of those that are known may not be the smallest."""
    product.add_sharded_cluster("shop")
    product.measure("shop-1-0.example.com", WINDOW, [None, None])

    assert product.seen(cluster="shop").measures.window_seconds is None


def test_a_set_without_a_primary_has_no_window(product: Product) -> None:
    """Only primaries are measured."""
    product.host("orders-0.example.com").replica_state_name = "SECONDARY"

    assert product.seen().measures.window_seconds is None


def test_the_old_name_of_the_lag_is_asked_for_next(product: Product) -> None:
    """An older version refuses the name that it does not know."""
    for number in (1, 2):
        host = product.host(f"orders-{number}.example.com")
        host.measurements[OLD_LAG] = host.measurements.pop(LAG)

    assert 2.0 == product.seen().measures.replication_lag_seconds


def test_an_outage_is_no_missing_metric(product: Product) -> None:
    """What could not be asked is not called unknown."""
    job = product.seen()
    assert job.hosts
    product.fault("GET", "/measurements", status=403, error_code="USER_UNAUTHORIZED")

    with pytest.raises(ApiError):
        _found = job.measures
