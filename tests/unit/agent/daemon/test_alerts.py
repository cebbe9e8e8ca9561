"""Alerts that come and go with what is seen."""

from __future__ import annotations

from typing import Any

from backup_agent.capture.capture import View
from backup_agent.daemon.alerts import note_access, note_certificates, note_refused_indexes
from backup_agent.errors import AccessRefused, Transient
from backup_agent.source.certificates import Certificate, Certificates
from backup_agent.state.store import Store
from backup_agent.times import iso_in


def shown(store: Store) -> list[tuple[str, str, str]]:
    """Return the open alerts."""
    return [(alert.kind, alert.cause, alert.detail["message"]) for alert in store.alerts()]


def test_a_refused_login_is_an_alert_until_the_source_answers(store: Store) -> None:
    """Another fault between the two closes nothing: nobody has seen the login work."""
    refused = AccessRefused("login", "wrong password")
    expected = [("access_refused", "login", "wrong password")]
    for view in (View(problem=refused), View(problem=refused), View(problem=Transient("no primary")), View()):
        note_access(store, view)
        assert expected == shown(store)
    note_access(store, View(seen_at=1.0))
    assert [] == shown(store)


def test_members_that_refuse_in_turn_make_no_new_alerts(store: Store) -> None:
    """While an authority is replaced, one member after the other says something else: each reason has one alert."""
    kinds = [("login", "a: wrong"), ("login", "b: wrong"), ("certificate", "c: unknown authority")]
    for cause, message in 5 * kinds:
        assert note_access(store, View(problem=AccessRefused(cause, message)))
    assert [
        ("access_refused", "login", "b: wrong"),
        ("access_refused", "certificate", "c: unknown authority"),
    ] == shown(store)
    assert not note_access(store, View(seen_at=1.0))
    assert [] == shown(store)


def test_each_refused_index_has_an_alert(store: Store) -> None:
    """It is closed when the head has the index, or needs none any more; where nobody knows, nothing changes."""
    sets: list[Any] = [{"a.b x_1": "duplicates", "a.c y_1": "capped"}, None, {"a.c y_1": "capped"}]
    for refused in sets:
        note_refused_indexes(store, refused)
    ((kind, cause, message),) = shown(store)
    assert ("index_refused", "a.c y_1") == (kind, cause)
    assert "the backup lacks index a.c y_1" in message
    assert "capped" in message
    note_refused_indexes(store, {})
    assert [] == shown(store)


def test_a_certificate_that_ends_soon_has_an_alert_until_it_is_renewed(store: Store) -> None:
    """First it is a warning; it keeps the time at which it was raised."""

    def seen(days: float) -> list[tuple[str, str]]:
        note_certificates(store, Certificates((Certificate("ca_file", "/ca.pem", iso_in(days * 86400 + 60)),)))
        return [(alert.cause, alert.detail["level"]) for alert in store.alerts() if alert.kind == "certificate"]

    assert [] == seen(31)
    assert [("/ca.pem", "warning")] == seen(29)
    (first,) = store.alerts()
    assert [("/ca.pem", "critical")] == seen(6)
    assert "ends at" in store.alerts()[0].detail["message"]
    assert [("/ca.pem", "critical")] == seen(-2)
    assert "has ended at" in store.alerts()[0].detail["message"]
    assert first.since == store.alerts()[0].since
    assert [] == seen(365)
    note_certificates(store, Certificates())
    assert Certificates() == store.observed("certificate", Certificates)
