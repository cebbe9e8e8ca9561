"""Alerts that come and go with what is seen: each is raised when it begins, and closed when it is over."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from backup_agent.capture.capture import View
from backup_agent.errors import AccessRefused
from backup_agent.source.certificates import Certificates
from backup_agent.state.store import Store

log = structlog.get_logger(__name__)

ACCESS = "access_refused"
REFUSED_INDEX = "index_refused"
CERTIFICATE = "certificate"
WARNING_DAYS, CRITICAL_DAYS = 30, 7


def note_access(store: Store, view: View) -> bool:
    """Keep the alerts about a source that refuses the agent; returns whether there are any.

    They are closed once a member is followed again. Members may refuse it for different reasons, and are tried in turn: an alert
    that is open keeps its time, and tells what the last of them said.
    """
    known = {alert.cause: alert.detail for alert in store.alerts() if alert.kind == ACCESS}
    if known and view.problem is None and view.seen_at is not None:
        store.close_alerts(ACCESS)
        return False
    refused = view.problem if isinstance(view.problem, AccessRefused) else None
    if refused is None or known.get(refused.cause) == refused.detail:
        return bool(known)
    if store.raise_alert(ACCESS, refused.cause, refused.detail):
        log.error(ACCESS, cause=refused.cause, reason=refused.message)
    else:
        store.retell_alert(ACCESS, refused.cause, refused.detail)
    return True


def note_refused_indexes(store: Store, refused: Mapping[str, str] | None) -> None:
    """Keep an alert for each index that the head refused to build; None says that nobody knows at this moment."""
    if refused is None:
        return
    known = {alert.cause for alert in store.alerts() if alert.kind == REFUSED_INDEX}
    for index in known - refused.keys():
        store.close_alerts(REFUSED_INDEX, cause=index)
    for index in refused.keys() - known:
        text = f"the backup lacks index {index}, because the head refused to build it: {refused[index]}"
        store.raise_alert(
            REFUSED_INDEX, index, {"message": f"{text}; correct it at the source, and make the index there again"}
        )


def note_certificates(store: Store, found: Certificates) -> None:
    """Note the certificates of the job, and keep an alert for each file of which one ends soon, until it is renewed."""
    if store.observed(CERTIFICATE, Certificates) != found:
        store.observe(CERTIFICATE, found)
    known = {alert.cause: alert.detail for alert in store.alerts() if alert.kind == CERTIFICATE}
    wanted = {one.file: one for one in found.files if one.days_left < WARNING_DAYS}
    for file in known.keys() - wanted.keys():
        store.close_alerts(CERTIFICATE, cause=file)
    for file, one in wanted.items():
        level = "critical" if one.days_left < CRITICAL_DAYS else "warning"
        ends = "has ended at" if one.days_left < 0 else "ends at"
        message = f"source.tls.{one.kind}: a certificate of {file} {ends} {one.expires_at}; put the renewed one there"
        detail = {"message": message, "expires_at": one.expires_at, "level": level}
        if file not in known:
            store.raise_alert(CERTIFICATE, file, detail)
        elif known[file] != detail:
            store.retell_alert(CERTIFICATE, file, detail)
