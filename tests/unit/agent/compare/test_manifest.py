"""Manifests: what counts as a difference of the catalogue, and how manifests are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bson.int64 import Int64
from bson.son import SON

from backup_agent.compare import manifest
from backup_agent.compare.manifest import Entry, Held, Manifest
from backup_agent.errors import OperationFailed

PLAIN = Entry("shop.orders", "collection", "{}", (("_id_", '{"key":{"_id":1}}'), ("n_1", '{"key":{"n":1}}')))


def _with(**changes: object) -> Entry:
    return Entry(**{**PLAIN.__dict__, **changes})


@pytest.mark.parametrize(
    ("expected", "found", "sentences"),
    [
        (PLAIN, PLAIN, []),
        (None, None, []),
        (PLAIN, None, ["shop.orders: expected this collection, found none"]),
        (None, PLAIN, ["shop.orders: expected none, found a collection"]),
        (PLAIN, _with(kind="view"), ["shop.orders: expected a collection, found a view"]),
        (PLAIN, _with(options='{"validator":{}}'), ['shop.orders: expected options {}, found {"validator":{}}']),
        (PLAIN, _with(indexes=PLAIN.indexes[:1]), ["shop.orders: expected index n_1, found none"]),
        (_with(indexes=PLAIN.indexes[:1]), PLAIN, ["shop.orders: expected no index n_1, found one"]),
        (
            PLAIN,
            _with(indexes=(PLAIN.indexes[0], ("n_1", '{"key":{"n":-1}}'))),
            ['shop.orders: expected index n_1 {"key":{"n":1}}, found {"key":{"n":-1}}'],
        ),
    ],
)
def test_differences_of_the_catalogue_are_named(
    expected: Entry | None, found: Entry | None, sentences: list[str]
) -> None:
    """Each difference is one sentence with the namespace, what was expected and what was found."""
    assert sentences == manifest.compare_entries(expected, found)


def test_order_matters_within_a_key_and_not_above_it() -> None:
    """The order of an index's fields is meaning, the order of its options is not."""
    one = manifest.canonical(SON([("name", "x"), ("key", SON([("a", 1), ("b", 1)]))]))

    assert one == manifest.canonical(SON([("key", SON([("a", 1), ("b", 1)])), ("name", "x")]))
    assert one != manifest.canonical(SON([("key", SON([("b", 1), ("a", 1)])), ("name", "x")]))


def test_types_matter() -> None:
    """A 32-bit number, a 64-bit one and a double are three options."""
    assert 3 == len({manifest.canonical({"size": size}) for size in (1, Int64(1), 1.0)})


def test_an_entry_survives_the_file(tmp_path: Path) -> None:
    """What a manifest says of a collection is the same after it has been written and read."""
    options = manifest.canonical({"validator": {"ü": {"$gt": 1.5}}, "size": Int64(7)})
    entry = Entry(
        "shop.orders", "collection", options, (manifest._index({"name": "n_1", "key": SON([("n", 1)]), "ns": "x"}),)
    )
    path = tmp_path / "manifest.json"
    held = Held(entry.namespace, entry.kind, json.loads(options), tuple(json.loads(text) for _, text in entry.indexes))
    saved = Manifest(manifest.FORMAT, "orders", 1, {}, "6.0.5", True, (held,))
    manifest.save(saved, path)

    assert saved == manifest.load(path)
    assert entry == manifest.load(path).collections[0].entry
    assert ["manifest.json"] == [found.name for found in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "expected a manifest"), ("[]", "expected a manifest"), ('{"format": 99}', "format 1 in .*, found 99")],
)
def test_damaged_manifests_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """A manifest that is damaged or of another format is no proof of anything."""
    path = tmp_path / "manifest.json"
    path.write_text(text)

    with pytest.raises(OperationFailed, match=words):
        manifest.load(path)


def test_the_first_mark_that_differs_is_found() -> None:
    """A difference is narrowed down by the first mark that differs, or by where the shorter side ends."""
    assert [0, 1, 2, 0] == [
        manifest._first_difference(*pair) for pair in (("ab", "xb"), ("abc", "axc"), ("ab", "abc"), ("", "a"))
    ]


def test_a_forged_manifest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is larger than any, or deeper than Python reads."""
    path = tmp_path / "manifest.json"
    path.write_text("[" * 200_000)
    with pytest.raises(OperationFailed, match="expected a manifest in"):
        manifest.load(path)
    monkeypatch.setattr(manifest, "MOST_BYTES", 100)
    path.write_text("{" + " " * 200 + "}")
    with pytest.raises(OperationFailed, match="more than 100 bytes"):
        manifest.load(path)
