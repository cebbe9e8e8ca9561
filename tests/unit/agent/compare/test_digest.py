"""Digests over raw bytes: what is fed to them decides, how it is cut does not."""

from __future__ import annotations

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_agent.compare import digest


def _documents(many: int) -> list[bytes]:
    return [bson.encode({"_id": number, "text": "x" * (number % 7)}) for number in range(many)]


def _fed(documents: list[bytes], sizes: list[int]) -> digest.Digest:
    digester = digest.Digester()
    for size in [*sizes, len(documents)]:
        digester.add(documents[:size])
        documents = documents[size:]
    return digester.result()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2500), st.lists(st.integers(0, 1200), max_size=6))
def test_batches_do_not_matter(many: int, sizes: list[int]) -> None:
    """The digest and its marks are the same however the server cuts the documents into batches."""
    documents = _documents(many)

    assert _fed(documents, []) == _fed(documents, sizes)


def test_counts_documents_bytes_and_marks() -> None:
    """Documents and bytes are counted, and every 1000 documents have a mark, the last ones too."""
    documents = _documents(2001)
    found = _fed(documents, [])

    assert (2001, sum(map(len, documents)), 3) == (found.documents, found.bytes, len(found.marks))


def test_the_digest_does_not_depend_on_marks() -> None:
    """A validation keeps none, and still sees what a manifest sees."""
    documents = _documents(2001)
    digester = digest.Digester(with_marks=False)
    digester.add(documents)
    found, expected = digester.result(), _fed(documents, [len(documents)])
    assert (found.documents, found.bytes, found.digest) == (expected.documents, expected.bytes, expected.digest)
    assert found.marks == ()


def test_no_documents_have_no_marks() -> None:
    """An empty range has a digest of its own and no marks."""
    assert (0, 0, ()) == (_fed([], []).documents, _fed([], []).bytes, _fed([], []).marks)


def test_one_byte_changes_the_digest_and_one_mark() -> None:
    """A changed byte shows in the digest, and in no mark but that of its own thousand."""
    documents = _documents(3000)
    changed = [*documents]
    changed[1500] = documents[1500].replace(b"x", b"y", 1)
    one, other = _fed(documents, []), _fed(changed, [])

    assert one.digest != other.digest
    assert [True, False, True] == [a == b for a, b in zip(one.marks, other.marks, strict=True)]
