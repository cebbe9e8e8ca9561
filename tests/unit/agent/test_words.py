"""What a server quotes stays out of what others read."""

from __future__ import annotations

import json
import sys
from io import StringIO

import pytest
import structlog
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from backup_agent.errors import Transient
from backup_agent.words import logged, told, traced, without_values, words

SECRET = "anna@example.com"
REPLY = {
    "errmsg": f'E11000 duplicate key error collection: shop.people index: email_1 dup key: {{ email: "{SECRET}" }}',
    "code": 11000,
    "keyPattern": {"email": 1},
    "keyValue": {"email": SECRET},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REPLY["errmsg"], "E11000 duplicate key error collection: shop.people index: email_1"),
        (f"Document failed validation, full error: {{'errInfo': {{'id': '{SECRET}'}}}}", "Document failed validation"),
        (f"Can't extract geo keys: {{ _id: '{SECRET}' }} unknown", "Can't extract geo keys"),
        (f"language override unsupported: {SECRET}", "language override unsupported"),
        (
            f"Error :: caused by :: Cannot apply to {{n: '{SECRET}'}}",
            "Error :: caused by :: Cannot apply to",
        ),
        (f"cannot index parallel arrays [{SECRET}] [b]", "cannot index parallel arrays"),
        ("Longitude/latitude is out of bounds, lng 200 lat 5", "Longitude/latitude is out of bounds, lng"),
        (f"found '{SECRET}'", "found"),
        (f'bad value "{SECRET}"', "bad value"),
        ("operation exceeded time limit", "operation exceeded time limit"),
        ("interrupted at shutdown", "interrupted at shutdown"),
    ],
)
def test_the_words_of_a_server_end_where_it_quotes(text: str, expected: str) -> None:
    """And said again they stay as they are."""
    assert expected == without_values(text)
    assert expected == without_values(expected)


def test_code_and_names_stay() -> None:
    """They say what to look for."""
    expected = "E11000 duplicate key error collection: shop.people index: email_1 (code 11000; key email)"
    assert expected == told(REPLY)
    assert expected == words(OperationFailure(REPLY["errmsg"], 11000, REPLY))
    assert "interrupted (code 11601 Interrupted)" == told(
        {"errmsg": "interrupted", "code": 11601, "codeName": "Interrupted"}
    )


def test_no_error_quotes() -> None:
    """Whatever its class, and whatever it came of."""
    assert "no answer" == words(AutoReconnect("no answer"))
    assert "correct its tags" in words(AutoReconnect("'utf-8' codec can't decode byte 0xff in position 0"))
    assert "the disk is slow" == words(Transient("the disk is slow"))
    assert "batch op errors occurred (code 65)" == words(BulkWriteError({"writeErrors": [REPLY]}))
    with pytest.raises(ValueError, match=SECRET) as caught:
        raise ValueError(SECRET)
    assert words(caught.value).startswith("ValueError in test_words.py, line ")


def test_the_journal_shows_where_and_not_what() -> None:
    """A traceback has the place of each error of a chain."""
    stream = StringIO()
    processors = [structlog.processors.ExceptionRenderer(traced), structlog.processors.JSONRenderer()]
    log = structlog.wrap_logger(structlog.PrintLogger(stream), processors, structlog.BoundLogger)
    try:
        try:
            raise OperationFailure(REPLY["errmsg"], 11000, REPLY)
        except OperationFailure as error:
            raise KeyError(SECRET) from error
    except KeyError:
        log.error("cycle failed", exc_info=sys.exc_info())
    shown = json.loads(stream.getvalue())["exception"]
    assert SECRET not in shown
    assert shown.index("OperationFailure: E11000") < shown.index("KeyError: KeyError in test_words.py")
    assert "test_the_journal_shows_where_and_not_what" in shown


def test_a_line_of_a_log_says_its_fixed_text() -> None:
    """And where in the server; not what it was about."""
    line = {
        "s": "F",
        "msg": "Fatal assertion",
        "attr": {"msgid": 5, "error": REPLY["errmsg"], "file": "a.cpp", "line": 7},
    }
    expected = "Fatal assertion, a.cpp, 7, E11000 duplicate key error collection: shop.people index: email_1"
    assert expected == logged(json.dumps(line))
    assert SECRET not in logged(json.dumps(line)[:-30])
    assert SECRET not in logged(f'2020 F STORAGE [x] {SECRET} "s":"F"')
