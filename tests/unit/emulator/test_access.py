"""Who gets in: the digest, roles, projects, access lists, and how often."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.request import parse_http_list, parse_keqv_list

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker, wait_until


def ask_raw(url: str, authorization: str | None = None) -> tuple[int, str]:
    """Ask once; return the status, and the challenge."""
    headers = {} if authorization is None else {"Authorization": authorization}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
            return response.status, ""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["WWW-Authenticate"]


def test_nobody_gets_in_without_a_digest(om: Emulator) -> None:
    """The answer asks for one."""
    status, challenge = ask_raw(f"{om.url}/api/public/v1.0/groups")
    assert status == 401
    assert challenge.startswith("Digest ")
    assert "stale=false" in challenge


def test_the_right_key_gets_in(ask: Asker) -> None:
    """Reads and writes alike, and a query belongs to what is signed."""
    assert ask.get("/groups", pretty="true")["totalCount"] == 1
    assert ask("PATCH", "backupConfigs/0", {}).code == (400, "INVALID_CLUSTER_ID")


def test_a_wrong_key_is_challenged_again(om: Emulator) -> None:
    """It never reaches the API."""
    for pair in ((om.public_key, "wrong"), ("wrong", om.private_key)):
        assert Asker(om, pair)("GET", "/groups").status == 401
    assert om.requests == []
    assert len(om.all_requests) > 2


@pytest.mark.parametrize("reason", ["forgotten", "old", "used often enough"])
def test_a_nonce_goes_out_of_date(om: Emulator, ask: Asker, reason: str) -> None:
    """It serves many requests; then the new challenge says that only the nonce is wrong, and the next one serves."""
    url = f"{om.url}/api/public/v1.0/groups"
    digest = ask.digest()

    def proof(challenge: str) -> str:
        values = parse_keqv_list(parse_http_list(challenge.removeprefix("Digest ")))
        return f"Digest {digest.get_authorization(urllib.request.Request(url), values)}"

    first = ask_raw(url)[1]
    assert [ask_raw(url, proof(first))[0] for _time in range(3)] == [200] * 3
    if reason == "forgotten":
        om.forget_nonces()
    elif reason == "old":
        om.timing.nonce = 0.0
    else:
        om.switches.nonce_uses = 3
    status, challenge = ask_raw(url, proof(first))
    assert status == 401
    assert "stale=true" in challenge
    om.timing.nonce = 60.0
    assert ask_raw(url, proof(challenge))[0] == 200


def test_a_digest_serves_once(om: Emulator, ask: Asker) -> None:
    """A client that replays a recorded request gets a new challenge."""
    url = f"{om.url}/api/public/v1.0/groups"
    values = parse_keqv_list(parse_http_list(ask_raw(url)[1].removeprefix("Digest ")))
    proof = f"Digest {ask.digest().get_authorization(urllib.request.Request(url), values)}"
    assert [ask_raw(url, proof)[0] for _time in range(2)] == [200, 401]
    assert ask_raw(f"{om.url}/api/public/v1.0/clusters", proof)[0] == 401


def test_a_key_that_may_only_read(om: Emulator, cluster: str) -> None:
    """It is refused with 401 in the new spelling, with 403 in the old one."""
    reader = Asker(om, om.add_key("read_only"))
    assert reader.state(cluster) == "STARTED"
    assert reader.patch(f"backupConfigs/{cluster}", {"statusName": "STOPPED"}).code == (401, "USER_UNAUTHORIZED")
    om.switches.spelling = "old"
    assert reader.patch(f"backupConfigs/{cluster}", {"statusName": "STOPPED"}).code == (403, "USER_UNAUTHORIZED")
    assert Asker(om).state(cluster) == "STARTED"


def test_a_backup_administrator_mutes_nothing(om: Emulator, cluster: str) -> None:
    """Windows belong to other roles than backups."""
    backup = Asker(om, om.add_key("backup_admin"))
    assert backup("POST", "maintenanceWindows", {}).code == (401, "USER_UNAUTHORIZED")
    assert backup.patch(f"backupConfigs/{cluster}", {"statusName": "STOPPED"}).status == 202


def test_projects_of_others(om: Emulator) -> None:
    """A key sees its own projects; another one is there, but not for it."""
    other = om.add_project("payments")
    key = Asker(om, om.add_key("owner", [other]))
    assert [one["name"] for one in key.get("/groups")["results"]] == ["payments"]
    assert key("GET", "clusters").code == (401, "NOT_IN_GROUP")
    assert key("GET", "/groups/byName/orders").code == (404, "GROUP_NOT_FOUND")


def test_the_access_list_guards_the_documented_writes(om: Emulator, ask: Asker, cluster: str) -> None:
    """Backups cannot be changed from an address that is not on it, snapshots and windows can."""
    snapshot = om.add_snapshot(cluster)
    om.switches.on_access_list = False
    stop = {"statusName": "STOPPED"}
    assert ask.patch(f"backupConfigs/{cluster}", stop).code == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")
    om.switches.spelling = "old"
    assert ask.patch(f"backupConfigs/{cluster}", stop).code == (403, "IP_ADDRESS_NOT_ON_WHITELIST")
    assert ask.patch(f"clusters/{cluster}/snapshots/{snapshot}", {"doNotDelete": True}).status == 200
    assert ask.state(cluster) == "STARTED"


def test_so_many_requests_in_a_minute(om: Emulator, ask: Asker) -> None:
    """Requests above the limit are refused until the minute is over, with the time to wait if the switch says so."""
    om.timing.rate_window = 0.5
    om.switches.rate_limit = 2

    def refused() -> object:
        answer = ask("GET", "clusters")
        return answer if answer.code == (429, "RATE_LIMITED") else None

    assert wait_until("a refusal", refused).headers["Retry-After"] == "1"
    wait_until("the next minute", lambda: ask("GET", "clusters").status == 200)
    om.switches.retry_after = "none"
    assert wait_until("a refusal", refused).headers["Retry-After"] is None
    om.switches.retry_after = "date"
    assert wait_until("a refusal", refused).headers["Retry-After"].endswith("GMT")
