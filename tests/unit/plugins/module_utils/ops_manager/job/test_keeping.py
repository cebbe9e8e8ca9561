# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping a snapshot, letting it expire again, and deleting what may be gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import keeping
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Held
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of

from ..emulated import Product


def test_a_snapshot_is_kept(product: Product) -> None:
    """One that is gone is an error whose code the caller may expect."""
    keeping.hold(product.seen(), product.snapshot)
    assert [product.snapshot] == product.held()
    with pytest.raises(ApiError) as caught:
        keeping.hold(product.seen(), "0" * 24)
    assert caught.value.error_code in keeping.NOT_KEPT


@pytest.mark.parametrize(("hours", "least"), [(240.0, 239.0), (1.0, 47.0), (None, 47.0)])
def test_release_deletes_nothing_at_once(product: Product, hours: float | None, least: float) -> None:
    """It gets its old end back; one that is near or was never known is put off until there is a younger snapshot."""
    job = product.seen()
    expires = None if hours is None else iso_of(job.now + timedelta(hours=hours))
    keeping.release(job, Held(product.snapshot, expires))
    found = product.seen().snapshots[0].expires

    assert found is not None
    assert least - 0.1 < (found - job.now).total_seconds() / 3600 < least + 1.1


def test_what_is_gone_is_gone(product: Product) -> None:
    """Dropping and releasing twice is no error, and another refusal is one."""
    job = product.seen()
    path = f"{job.snapshots_path}/{product.snapshot}"
    keeping.drop(job, path)
    keeping.drop(job, path)
    keeping.release(job, Held(product.snapshot))
    product.fault("DELETE", "/snapshots", error_code="USER_UNAUTHORIZED", status=403)
    with pytest.raises(ApiError, match="USER_UNAUTHORIZED"):
        keeping.drop(job, path)
