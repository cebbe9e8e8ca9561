"""Faults: what the client sees, and whether the request has had its effect."""

from __future__ import annotations

import http.client
import threading
import urllib.error
from typing import Literal

import pytest

from tests.ops_manager import Emulator
from tests.ops_manager.problems import STATUS_OF
from tests.unit.emulator.asking import Asker, wait_until

LOST = (urllib.error.URLError, ConnectionError, http.client.HTTPException)
STOP = {"statusName": "STOPPED"}


def test_every_error_can_be_asked_for(om: Emulator, ask: Asker) -> None:
    """Each comes with its status, once, and only where the path matches."""
    for code, status in STATUS_OF.items():
        om.fault("GET", "/clusters$", error_code=code)
        assert ask("GET", "clusters").code == (status, code)
    om.fault("GET", "/clusters$", status=503, times=2)
    assert ask("GET", "/groups").status == 200
    assert [ask("GET", "clusters").status for _time in range(3)] == [503, 503, 200]


def test_an_error_after_the_effect(om: Emulator, ask: Asker, cluster: str) -> None:
    """The answer is an error although the backup stops."""
    om.fault("PATCH", "backupConfigs", error_code="UNEXPECTED_ERROR", when="after")
    assert ask.patch(f"backupConfigs/{cluster}", STOP).code == (500, "UNEXPECTED_ERROR")
    wait_until("STOPPED", lambda: ask.state(cluster) == "STOPPED")


@pytest.mark.parametrize(("when", "effect"), [("before", False), ("after", True)])
def test_a_connection_that_is_cut(
    om: Emulator, ask: Asker, cluster: str, when: Literal["before", "after"], effect: bool
) -> None:
    """There is no answer, with or without an effect; the log says that there was none."""
    om.timing.patch = 0.0
    om.cut("PATCH", "backupConfigs", when=when)
    with pytest.raises(LOST):
        ask.patch(f"backupConfigs/{cluster}", STOP)
    assert [(one.method, one.body, one.status) for one in om.requests] == [("PATCH", STOP, None)]
    assert (ask.state(cluster) == "STOPPED") is effect


def test_a_request_that_hangs(om: Emulator, ask: Asker) -> None:
    """It goes on after its time, or is cut when the faults are cleared."""
    om.hang("GET", "clusters", seconds=0.1)
    assert ask("GET", "clusters").status == 200
    fault = om.hang("GET", "clusters")
    lost: list[BaseException] = []

    def wait() -> None:
        try:
            ask("GET", "clusters")
        except LOST as error:
            lost.append(error)

    asking = threading.Thread(target=wait)
    asking.start()
    wait_until("the request", lambda: fault.happened)
    assert ask("GET", "/groups").status == 200
    om.clear_faults()
    asking.join(10)
    assert len(lost) == 1


def test_the_page_of_a_proxy(om: Emulator, ask: Asker) -> None:
    """It is no JSON."""
    om.proxy_page(status=503)
    answer = ask("GET", "clusters")
    assert answer.status == 503
    assert answer.headers.get_content_type() == "text/html"
    assert answer.body.startswith(b"<html>")


def test_dying_and_coming_back(om: Emulator, ask: Asker, cluster: str) -> None:
    """Connections are refused meanwhile; the port, and what was known, stay."""
    url = om.url
    om.die()
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask("GET", "clusters")
    om.revive()
    assert om.url == url
    assert ask.state(cluster) == "STARTED"


@pytest.mark.parametrize(("when", "effect"), [("before", "STARTED"), ("after", "STOPPED")])
def test_dying_at_a_request(
    om: Emulator, ask: Asker, cluster: str, when: Literal["before", "after"], effect: str
) -> None:
    """The request gets no answer, the next no connection."""
    om.timing.patch = 0.0
    om.die_at("PATCH", "backupConfigs", when=when)
    with pytest.raises(LOST):
        ask.patch(f"backupConfigs/{cluster}", STOP)
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask("GET", "clusters")
    om.revive()
    assert ask.state(cluster) == effect


def test_dying_for_a_moment(om: Emulator, ask: Asker) -> None:
    """The request is lost, the next is answered."""
    om.die_at("GET", "clusters", revive=True)
    with pytest.raises(LOST):
        ask("GET", "clusters")
    assert wait_until("an answer", lambda: ask("GET", "clusters").status == 200)
