"""Which member is read from, and why not the others."""

from __future__ import annotations

from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent.source.topology import judge


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
    assert "b" == judge(status(*HEALTHY), settings, 60, ("b",)).to_json()["chosen"]
    assert "a" == judge(status(*HEALTHY), settings, 60, ("p", "a")).to_json()["chosen"]


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


def test_a_member_without_indexes_is_followed_and_never_copied() -> None:
    """It is hidden and made for backups, and a copy of it would lack all indexes but those of _id."""
    bare = {"hidden": True, "priority": 0, "buildIndexes": False}
    topology = judge(status(*HEALTHY[:2]), config(p={}, a=bare), 60, ("a",))
    assert topology.choose() is None
    assert "a: it builds no indexes (buildIndexes: false)" in topology.why()
    followed = topology.choose_for_oplog()
    assert followed is not None
    assert "a" == followed.member
    assert "b" == judge(status(*HEALTHY), config(p={}, a=bare, b={}), 60, ("a",)).to_json()["chosen"]


def test_tags_are_preferred() -> None:
    """A preference of tags is met by the members that have all of them, in the order of the preferences."""
    tags = config(p={}, a={"tags": {"dc": "east"}}, b={"tags": {"dc": "east", "use": "backup"}})
    for prefer, chosen in (
        (({"use": "backup", "dc": "east"},), "b"),
        (({"dc": "west"}, {"use": "backup"}), "b"),
        (("a", {"use": "backup"}), "a"),
    ):
        topology = judge(status(*HEALTHY), tags, 60, prefer)
        assert chosen == topology.to_json()["chosen"]
        assert "preferred" in topology.why()


def test_a_preference_that_nobody_meets_is_said() -> None:
    """A misspelt member is shown the nearest name; tags that nobody has are named."""
    members = [member(f"db{number}.example.com:27017", "SECONDARY", 99) for number in (1, 2)]
    found = judge(status(*members), config(), 60, ("db1.exmple.com:27017", "other", {"dc": "west"}))
    assert (
        "source.prefer: expected a member of the set, found db1.exmple.com:27017; did you mean db1.example.com:27017?",
        (
            "source.prefer: expected a member of the set, found other; "
            "its members are db1.example.com:27017, db2.example.com:27017"
        ),
        "source.prefer: expected a member with the tags {'dc': 'west'}, found none; correct them, or tag a member",
    ) == found.warnings


@pytest.mark.parametrize(
    ("failed", "chosen"),
    [({}, "a"), ({"a": 10.0}, "b"), ({"a": 10.0, "b": 20.0}, "a"), ({"a": 30.0, "b": 20.0}, "b")],
)
def test_members_that_failed_take_turns(failed: dict[str, float], chosen: str) -> None:
    """The one that failed last is taken last, but it is taken when there is no other."""
    topology = judge(status(*HEALTHY), config(p={}, a={"hidden": True}, b={}), 60, (), failed)
    assert chosen == topology.to_json()["chosen"]
    assert "a" == judge(status(*HEALTHY[:2]), config(p={}, a={}), 60, (), {"a": 1.0}).to_json()["chosen"]


def test_arbiters_have_no_data() -> None:
    """Every member of the configuration but the arbiters is asked about the anchor, also one that does not answer."""
    topology = judge(status(*HEALTHY), config(p={}, a={"arbiterOnly": True}, gone={}), 60, ())
    assert ("p", "gone") == topology.data_bearing


@pytest.mark.parametrize("name", ["secondaryDelaySecs", "slaveDelay"])
def test_delayed_members_are_named(name: str) -> None:
    """A delayed member has data and is known as delayed, by the new name of the setting and by the old one."""
    topology = judge(status(*HEALTHY), config(p={}, a={name: 3600}, b={name: 0}), 60, ())
    assert ("p", "a", "b") == topology.data_bearing
    assert ("a",) == topology.delayed


def test_capture_takes_the_least_behind_when_all_are_too_far() -> None:
    """A set under a bulk load is captured all the same; a copy is not made, and a delayed or broken member is never taken."""
    members = (
        member("p", "PRIMARY", 1000),
        member("far", "SECONDARY", 500),
        member("near", "SECONDARY", 600),
        member("delayed", "SECONDARY", 700),
        member("recovering", "RECOVERING", 800),
        member("gone", "SECONDARY", 900, health=0),
    )
    settings = config(p={}, far={}, near={}, delayed={"secondaryDelaySecs": 300}, recovering={}, gone={})
    found = judge(status(*members), settings, 60, ()).choose_for_oplog()
    assert found is not None
    assert "near" == found.member
    assert judge(status(*members), settings, 60, ()).choose() is None
    after = judge(status(*members), settings, 60, (), {"near": 1.0}).choose_for_oplog()
    assert after is not None
    assert "far" == after.member
    assert judge(status(*members[1:]), settings, 60, ()).choose_for_oplog() is None  # without a primary no lag is known
