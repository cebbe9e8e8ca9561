"""Which member is read from, and why not the others."""

from __future__ import annotations

from typing import Any

from bson.timestamp import Timestamp

from backup_agent.source import TimedReadConcern, judge


def member(name: str, state: str, seconds: int, health: int = 1) -> dict[str, Any]:
    """Return a member as replSetGetStatus shows it."""
    return {"name": name, "stateStr": state, "health": health, "optime": {"ts": Timestamp(seconds, 1), "t": 1}}


def status(*members: dict[str, Any]) -> dict[str, Any]:
    """Return a status with these members."""
    return {"members": list(members), "optimes": {"lastCommittedOpTime": {"ts": Timestamp(100, 1), "t": 1}}}


def config(**settings: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with settings by member."""
    return {"members": [{"host": name, **found} for name, found in settings.items()]}


HEALTHY = (member("p", "PRIMARY", 100), member("a", "SECONDARY", 99), member("b", "SECONDARY", 100))


def test_a_hidden_member_is_preferred() -> None:
    """Hidden before priority 0 before the least behind."""
    topology = judge(status(*HEALTHY), config(p={}, a={"hidden": True, "priority": 0}, b={}), 60, ())
    chosen = topology.choose()
    assert chosen is not None
    assert "a" == chosen.member
    assert "hidden" in topology.why()


def test_the_operators_wish_comes_first() -> None:
    """`prefer` beats everything but eligibility."""
    settings = config(p={}, a={"hidden": True}, b={})
    assert "b" == judge(status(*HEALTHY), settings, 60, ("b",)).as_json()["chosen"]
    assert "a" == judge(status(*HEALTHY), settings, 60, ("p", "a")).as_json()["chosen"]


def test_without_a_primary_nothing_is_chosen() -> None:
    """Lag is unknown then, and unknown is not eligible."""
    topology = judge(status(member("a", "SECONDARY", 99), member("b", "SECONDARY", 100)), config(a={}, b={}), 60, ())
    assert topology.choose() is None
    assert "no primary" in topology.why()


def test_each_refusal_has_a_reason() -> None:
    """Arbiters, delayed, lagging, recovering and unreachable members are each refused by name."""
    members = (
        member("p", "PRIMARY", 1000),
        member("arbiter", "ARBITER", 0),
        member("delayed", "SECONDARY", 999),
        member("behind", "SECONDARY", 500),
        member("recovering", "RECOVERING", 999),
        member("gone", "(not reachable/healthy)", 0, health=0),
    )
    settings = config(p={}, delayed={"secondaryDelaySecs": 3600}, behind={}, recovering={}, gone={})
    topology = judge(status(*members), settings, 60, ())
    reasons = {m.member: m.reason for m in topology.members}
    assert topology.choose() is None
    for name, words in {
        "p": "primary",
        "arbiter": "ARBITER",
        "delayed": "delayed by 3600 s",
        "behind": "500 s behind",
        "recovering": "RECOVERING",
        "gone": "unreachable",
    }.items():
        assert words in reasons[name]
        assert name in topology.why()


def test_a_member_to_avoid_comes_last() -> None:
    """The one that lacked the anchor is taken again only when there is no other."""
    topology = judge(status(*HEALTHY), config(p={}, a={"hidden": True}, b={}), 60, ())
    assert "b" == topology.choose(frozenset({"a"})).member  # type: ignore[union-attr]
    assert "a" == topology.choose(frozenset({"a", "b"})).member  # type: ignore[union-attr]


def test_a_timed_read_concern_is_sent_whole() -> None:
    """Level and time go into the command together."""
    concern = TimedReadConcern("majority", afterClusterTime=Timestamp(1, 2))
    assert {"level": "majority", "afterClusterTime": Timestamp(1, 2)} == concern.document
