"""A client for the tests of the emulator: the standard library's digest, no retries, the answer as it came."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlencode

from tests.ops_manager import Emulator

Json = dict[str, Any]


@dataclass
class Answer:
    status: int
    body: Any
    headers: Message

    @property
    def code(self) -> tuple[int, str | None]:
        """The status, and the code of the error."""
        return self.status, self.body.get("errorCode") if isinstance(self.body, dict) else None

    @property
    def results(self) -> list[Json]:
        found: list[Json] = self.body["results"]
        return found


class Asker:
    """Asks one emulator, about its first project where the path begins without a slash."""

    def __init__(self, om: Emulator, pair: tuple[str, str] | None = None) -> None:
        self.om = om
        self._passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        self._passwords.add_password(None, om.url, *(pair or (om.public_key, om.private_key)))

    def digest(self) -> urllib.request.HTTPDigestAuthHandler:
        """Return a handler of its own for each request: one that is used again gives up after some errors."""
        return urllib.request.HTTPDigestAuthHandler(self._passwords)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        base = f"{self.om.url}/api/public/v1.0"
        address = base + (path if path.startswith("/") else f"/groups/{self.om.project_id}/{path}")
        if query:
            address += "?" + urlencode(query, doseq=True)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), self.digest())
        try:
            with opener.open(request, timeout=10) as response:
                return _answer(response.status, response.read(), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read(), error.headers)

    def get(self, path: str, **query: Any) -> Any:
        """Return the body of an answer that has to be 200."""
        answer = self("GET", path, **query)
        assert answer.status == 200, answer
        return answer.body

    def patch(self, path: str, body: Json) -> Answer:
        return self("PATCH", path, body)

    def state(self, cluster: str) -> str:
        found: str = self.get(f"backupConfigs/{cluster}")["statusName"]
        return found

    def kinds(self, *wanted: str) -> list[str]:
        """Return the kinds of all events, the oldest first."""
        found = self.get("events", eventType=list(wanted))["results"]
        return [event["eventTypeName"] for event in reversed(found)]


def _answer(status: int, content: bytes, headers: Message) -> Answer:
    is_json = headers.get_content_type() == "application/json"
    return Answer(status, json.loads(content) if is_json and content else content, headers)


def wait_until(what: str, condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Return the first true value of a condition; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")
