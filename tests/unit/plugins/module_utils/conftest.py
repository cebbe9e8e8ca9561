# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulated product, with one replica set whose backup has a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ops_manager.emulated import Product


@pytest.fixture
def product() -> Iterator[Product]:
    with Product() as product:
        yield product
