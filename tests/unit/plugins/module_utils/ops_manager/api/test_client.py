# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of the API, against a server with real sockets."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api import client as subject
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api import transport
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from tests.unit.plugins.small_api import KEYS, Asked, Said, SmallApi


def client(api: SmallApi, **options: Any) -> Client:
    return Client(Connection.from_options(api.options(**options)))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was waited between attempts, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(subject.time, "sleep", found.append)
    return found


class TestLogin:
    def test_logs_in_once_for_many_requests(self, api: SmallApi) -> None:
        """After the first challenge each request costs one, bodies and queries included."""
        api.answers["GET", "/a"] = api.answers["POST", "/a"] = api.answers["PATCH", "/a"] = Said({"ok": 1})
        api.answers["DELETE", "/a"] = Said(None, 204)
        mine = client(api)
        assert {"ok": 1} == mine.get("/a", status="OPEN", m=["X", "Y"], none=None)
        assert {"ok": 1} == mine.post("/a", {"n": 1}, retentionDays=3)
        assert {"ok": 1} == mine.patch("/a", {"n": None})
        mine.delete("/a")
        assert 5 == api.connections
        assert {"status": ["OPEN"], "m": ["X", "Y"]} == api.asked[0].query
        assert [None, {"n": 1}, {"n": None}, None] == [asked.body for asked in api.asked]
        assert {"retentionDays": ["3"]} == api.asked[1].query
        assert "envelope" not in api.asked[0].query

    def test_nonces_grow_old_over_a_long_run(self, api: SmallApi) -> None:
        """A follower that asks for hours is never thrown out, neither by old nonces nor by refusals in between."""
        api.nonce_uses = 2
        api.answers["GET", "/a"] = [*[Said({}), Said({"errorCode": "ALERT_NOT_FOUND"}, 404)] * 20, Said({"end": 1})]
        mine = client(api)
        for _round in range(20):
            assert {} == mine.get("/a")
            with pytest.raises(ApiError, match="ALERT_NOT_FOUND"):
                mine.get("/a")
        assert {"end": 1} == mine.get("/a")
        assert api.connections > len(api.asked)

    def test_a_write_with_an_old_nonce_is_done_once(self, api: SmallApi) -> None:
        """The request that was refused for its nonce did nothing; the next one does it."""
        api.nonce_uses = 1
        api.answers["POST", "/a"] = Said({})
        mine = client(api)
        mine.post("/a", {"n": 1})
        mine.post("/a", {"n": 2})
        assert [{"n": 1}, {"n": 2}] == [asked.body for asked in api.asked]

    def test_a_wrong_key_is_tried_once(self, api: SmallApi) -> None:
        """A server that locks out keys after some failures must not get those failures."""
        with pytest.raises(ApiError) as caught:
            client(api, private_key="wrong").get("/a")
        assert (401, "http_401", False) == (caught.value.status, caught.value.code, caught.value.retry)
        assert "check the pair of ops_manager.public_key" in caught.value.message
        assert 2 == api.connections

    def test_a_nonce_that_is_always_old_ends(self, api: SmallApi) -> None:
        """A server whose nonces never last is no endless loop."""
        api.nonce_uses = 0
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        assert (401, 4) == (caught.value.status, api.connections)

    def test_the_private_key_is_not_told_to_who_asks_for_basic(self, api: SmallApi) -> None:
        """A server in between must not get the key by asking for it in clear."""
        api.challenge = 'Basic realm="MMS Public API"'
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        assert (401, 1) == (caught.value.status, api.connections)


class TestRetries:
    def test_reading_is_tried_again(self, api: SmallApi, waits: list[float]) -> None:
        """A server that restarts hangs up, then its proxy says 503: neither is an error of the job."""
        api.answers["GET", "/a"] = [Said(hang_up=True), Said("<html>Down", 503), Said({"a": 1})]
        assert {"a": 1} == client(api).get("/a")
        assert 2 == len(waits)
        assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0

    @pytest.mark.parametrize("said", [Said(hang_up=True), Said({}, 503), Said({}, 500)])
    def test_writing_is_not(self, api: SmallApi, waits: list[float], said: Said) -> None:
        """What may have been done is not done again; the caller looks first."""
        api.answers["POST", "/a"] = said
        with pytest.raises(ApiError) as caught:
            client(api).post("/a", {})
        assert (True, 1, []) == (caught.value.retry, len(api.asked), waits)

    def test_writing_is_tried_again_where_nothing_was_sent(self, waits: list[float], api: SmallApi) -> None:
        """A refused connection has changed nothing."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(ApiError) as caught:
                Client(Connection.from_options(api.options(url=url)), patience_seconds=5).post("/a", {})
        assert ("no_answer", True, None) == (caught.value.code, caught.value.retry, caught.value.status)
        assert len(waits) >= 2
        assert sum(waits) <= 5

    def test_rate_limit_is_waited_for(self, api: SmallApi, waits: list[float]) -> None:
        """As long as the server says, also before a write."""
        limited = {"errorCode": "RATE_LIMITED", "reason": "Too Many Requests"}
        api.answers["POST", "/a"] = [Said(limited, 429, {"Retry-After": "7"}), Said({"a": 1})]
        assert {"a": 1} == client(api).post("/a", {})
        assert [7.0] == waits

    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "50"}])
    def test_rate_limit_beyond_the_patience(self, api: SmallApi, waits: list[float], headers: dict[str, str]) -> None:
        """A module has to end within a minute, and says when to ask again."""
        api.answers["GET", "/a"] = Said({"errorCode": "RATE_LIMITED"}, 429, headers)
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        assert (True, []) == (caught.value.retry, waits)
        assert f"again in {headers.get('Retry-After', '60')} s" in caught.value.message

    def test_patience_is_that_of_all_calls(self, api: SmallApi, waits: list[float]) -> None:
        """Twenty calls that each wait a little must not make minutes."""
        api.answers["GET", "/a"] = Said({}, 429, {"Retry-After": "15"})
        mine = client(api)
        for _call in range(3):
            with pytest.raises(ApiError):
                mine.get("/a")
        assert [15.0, 15.0] == waits

    def test_no_answer_within_the_timeout(self, api: SmallApi) -> None:
        """A server that takes the request and is silent ends with the patience."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            mine = Client(Connection.from_options(api.options(url=url, timeout_seconds=0.2)), patience_seconds=0.3)
            with pytest.raises(ApiError) as caught:
                mine.get("/a")
        assert ("no_answer", True) == (caught.value.code, caught.value.retry)


class TestAnswers:
    def test_error_of_the_api(self, api: SmallApi) -> None:
        """All that the API says is kept, with what to do."""
        body = {
            "error": 403,
            "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST",
            "reason": "Forbidden",
            "detail": "IP 10.0.0.1.",
        }
        api.answers["PATCH", "/a"] = Said(body, 403)
        with pytest.raises(ApiError) as caught:
            client(api).patch("/a", {})
        expected = {
            "status": 403,
            "error_code": "IP_ADDRESS_NOT_ON_ACCESS_LIST",
            "reason": "Forbidden",
            "detail": "IP 10.0.0.1.",
            "method": "PATCH",
            "path": "/a",
        }
        assert expected == caught.value.details
        assert "ip_address_not_on_access_list" == caught.value.code
        assert "access list of the API key" in caught.value.message

    @pytest.mark.parametrize("call", ["get", "pages"])
    def test_html_with_success(self, api: SmallApi, call: str) -> None:
        """The page of a proxy that wants a login is quoted, shortened, and never taken for an answer."""
        api.answers["GET", "/a"] = Said("<html>\x07" + "Please log in " * 30)
        with pytest.raises(ApiError) as caught:
            list(getattr(client(api), call)("/a"))
        assert ("not_json", False) == (caught.value.code, caught.value.retry)
        assert "<html> Please log in" in caught.value.message
        assert len(caught.value.details["detail"]) <= 100

    def test_the_private_key_is_in_no_error(self, api: SmallApi) -> None:
        """Not even when something on the way repeats it."""
        api.answers["GET", "/a"] = Said(f"key {KEYS[1]} refused", 400)
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        assert KEYS[1] not in str(caught.value.failure())
        assert "key *** refused" in caught.value.message

    def test_redirect_is_not_followed(self, api: SmallApi) -> None:
        """Nobody gets a request signed with the key by answering with an address."""
        other = SmallApi()
        api.answers["GET", "/a"] = Said(None, 302, {"Location": f"{other.url}/api/public/v1.0/a"})
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        other.close()
        assert (302, 0) == (caught.value.status, other.connections)
        assert "set ops_manager.url to http://127.0.0.1" in caught.value.message

    def test_server_time(self, api: SmallApi) -> None:
        """Known from the first answer on, in UTC."""
        api.answers["GET", "/a"] = Said({})
        mine = client(api)
        assert mine.server_time is None
        mine.get("/a")
        assert mine.server_time is not None
        assert mine.server_time.utcoffset() is not None

    def test_a_list_is_no_resource(self, api: SmallApi) -> None:
        """What a caller would index by name has to be an object."""
        api.answers["GET", "/a"] = Said([1])
        with pytest.raises(ApiError, match="no object"):
            client(api).get("/a")


class TestPages:
    @pytest.mark.parametrize("style", ["links", "count", "short"])
    def test_goes_to_the_end(self, api: SmallApi, style: str) -> None:
        """By whatever a version tells the end with."""

        def page(asked: Asked) -> Said:
            number = int(asked.query["pageNum"][0])
            assert ["100"] == asked.query["itemsPerPage"]
            results = [{"n": n} for n in range((number - 1) * 100, min(number * 100, 250))]
            links = [{"rel": "next", "href": "http://elsewhere/"}] if number < 3 else [{"rel": "self"}]
            by_style = {"links": {"links": links}, "count": {"totalCount": 250}, "short": {}}
            return Said({"results": results, **by_style[style]})

        api.answers["GET", "/a"] = page
        assert list(range(250)) == [entry["n"] for entry in client(api).pages("/a")]
        assert 3 == len(api.asked)

    def test_bare_array(self, api: SmallApi) -> None:
        """Some lists have no pages."""
        api.answers["GET", "/a"] = Said([{"n": 1}, {"n": 2}])
        assert [{"n": 1}, {"n": 2}] == list(client(api).pages("/a"))

    def test_a_server_without_pages_ends(self, api: SmallApi) -> None:
        """The same page for ever is no list without an end."""
        api.answers["GET", "/a"] = Said({"results": [{"n": 1}], "links": [{"rel": "next"}]})
        assert [{"n": 1}] == list(client(api).pages("/a"))

    def test_empty(self, api: SmallApi) -> None:
        """None is no error."""
        api.page("/a")
        assert [] == list(client(api).pages("/a"))

    def test_a_list_without_an_end_is_left(self, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each page is another one."""
        monkeypatch.setattr(subject, "_MOST_PAGES", 3)
        api.answers["GET", "/a"] = lambda asked: Said(
            {"results": [{"n": asked.query["pageNum"]}], "links": [{"rel": "next"}]}
        )
        with pytest.raises(ApiError, match="more than 3 pages"):
            list(client(api).pages("/a"))


class TestBombs:
    @pytest.mark.parametrize("status", [200, 500])
    def test_an_answer_that_goes_on_and_on_is_left(
        self, api: SmallApi, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And not asked for again: the next one would be the same."""
        monkeypatch.setattr(transport, "MOST_BODY_BYTES", 1000)
        api.answers["GET", "/a"] = Said("[" + "1," * 1000 + "1]", status)
        with pytest.raises(ApiError, match="TooLarge: more than 1000 bytes") as caught:
            client(api).get("/a")
        assert ("answer_too_large", False, 1) == (caught.value.code, caught.value.retry, len(api.asked))

    @pytest.mark.parametrize("status", [200, 400])
    def test_an_answer_that_is_deeper_than_python_is_none(self, api: SmallApi, status: int) -> None:
        """It is no JSON that anybody means."""
        api.answers["GET", "/a"] = Said("[" * 200_000, status)
        with pytest.raises(ApiError) as caught:
            client(api).get("/a")
        assert caught.value.code in ("not_json", "http_400")


class TestProxy:
    def test_option_wins_over_no_proxy(self, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
        """The proxy gets the request of a host that does not exist, and the digest is of what the server sees."""
        monkeypatch.setenv("no_proxy", "*")
        api.answers["GET", "/a"] = Said({"a": 1})
        options = api.options(
            url="http://opsmanager.invalid:8080", plaintext=True, proxy=api.url.replace("//", "//me:pass%20word@")
        )
        assert {"a": 1} == Client(Connection.from_options(options)).get("/a", x="1 2")
        assert "Basic bWU6cGFzcyB3b3Jk" == api.asked[0].headers["Proxy-Authorization"]

    def test_environment_is_used_without_the_option(self, api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where hosts reach the world only by a proxy, it is set for all."""
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("http_proxy", api.url)
        api.answers["GET", "/a"] = Said({"a": 1})
        options = api.options(url="http://opsmanager.invalid:8080", plaintext=True)
        assert {"a": 1} == Client(Connection.from_options(options)).get("/a")
