# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a proof that need no mongod; tests/integration/test_ops_manager_restore.py has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo.errors import OperationFailure

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import proof
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection


def test_documents_of_a_batch_are_counted_by_their_lengths() -> None:
    """Of any size, and none in an empty batch."""
    documents: list[dict[str, Any]] = [{}, {"a": "x" * 70_000}, {"b": {"c": 1}}]
    assert (3, 0) == (proof._count(b"".join(map(bson.encode, documents))), proof._count(b""))


def test_words_of_an_error_are_short() -> None:
    """The driver appends the whole answer of the server."""
    assert "broken" == proof._words(OperationFailure("broken, full error: {'ok': 0.0}"))
    assert 300 >= len(proof._words(OperationFailure("x" * 1000)))


def test_pymongo_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is started."""
    monkeypatch.setattr(connection, "HAS_PYMONGO", False)
    with pytest.raises(FixInput, match="pymongo"):
        proof.prove(str(tmp_path), proof.Wish("mongod"))
