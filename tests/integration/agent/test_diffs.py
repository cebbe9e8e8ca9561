"""Diffs of oplog updates, against the server that wrote them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from backup_agent.replay.diffs import apply_diff
from lab import Member, ReplicaSet

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
UPDATES = 400


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set of one member."""
    with ReplicaSet("rs0", [Member()], directory=tmp_path_factory.mktemp("single")) as replica_set:
        yield replica_set


def some_value(rng: random.Random, depth: int = 0) -> Any:
    """Return a value, nested up to three levels."""
    kind = rng.randrange(7 if depth < 3 else 4)
    if kind < 4:
        return [rng.randrange(99), "s" * rng.randrange(30), None, 3.5][kind]
    if kind == 4:
        return [some_value(rng, depth + 1) for _ in range(rng.randrange(6))]
    return {rng.choice("abcdef"): some_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def changed(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """Return a value with some of what is in it changed, removed, added."""
    if isinstance(value, dict):
        kept = {
            k: changed(rng, v, depth + 1) if rng.random() < 0.5 else v for k, v in value.items() if rng.random() > 0.15
        }
        return kept | ({rng.choice("abcdefghij"): some_value(rng, depth + 1)} if rng.random() < 0.4 else {})
    if isinstance(value, list):
        found = [changed(rng, item, depth + 1) if rng.random() < 0.3 else item for item in value]
        found = found[: rng.randrange(len(found) + 1)] if rng.random() < 0.3 else found
        return found + ([some_value(rng, depth + 1)] if rng.random() < 0.3 else [])
    return some_value(rng, depth) if rng.random() < 0.3 else value


def test_a_diff_does_what_the_server_did(single: ReplicaSet, tmp_path: Path) -> None:
    """Documents changed at random: the diff in the oplog, applied to the bytes before, gives the server's bytes after."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng, compared = random.Random(seed), 0
    with single.client() as client:
        stored = client.x.get_collection("d", codec_options=RAW)
        oplog = client.local.get_collection("oplog.rs", codec_options=RAW)
        for number in range(UPDATES):
            document = {"_id": number, "pad": "x" * 400} | {rng.choice("abcdefgh"): some_value(rng) for _ in range(6)}
            client.x.d.insert_one(document)
            before = bytes(stored.find_one({"_id": number}).raw)  # type: ignore[union-attr]
            # The server always writes `_id` first, the head too; the diff alone does not say so.
            wanted = {"_id": number, **{k: v for k, v in changed(rng, document).items() if k != "_id"}}
            client.x.d.update_one({"_id": number}, [{"$replaceWith": {"$literal": wanted}}])
            after = bytes(stored.find_one({"_id": number}).raw)  # type: ignore[union-attr]
            entry = oplog.find_one({"ns": "x.d", "op": "u"}, sort=[("$natural", -1)])
            if entry is not None and entry["o2"]["_id"] == number and "$v" in entry["o"]:
                assert after == apply_diff(before, bytes(entry["o"]["diff"].raw)), f"seed {seed}, document {number}"
                compared += 1
    assert compared > UPDATES / 2
