"""Alerts, what is configured to raise them, and acknowledging them."""

from __future__ import annotations

from typing import Any

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Alert, Json, new_id

STATUSES = ("TRACKING", "OPEN", "CLOSED", "CANCELLED")
CONFIG: dict[str, Any] = {
    "eventTypeName": str,
    "enabled": bool,
    "notifications": list,
    "matchers": list,
    "metricThreshold": dict,
    "threshold": dict,
    "typeName": str,
    "groupId": str,
    "id": str,
    "created": str,
    "updated": str,
    "links": list,
}


@route("GET", "/groups/<gid>/alerts")
def alerts(call: Call) -> Result:
    status = call.request.args.get("status")
    if status is not None and status not in STATUSES:
        raise Problem("INVALID_ALERT_STATUS", f"An invalid alert status {status} was specified.")
    found = [one for one in call.project.alerts.values() if status in (None, one.status) and not _muted(call, one)]
    found.sort(key=lambda one: one.created, reverse=True)
    return Listing(found, lambda one: show(call, one))


def _muted(call: Call, alert: Alert) -> bool:
    """Return whether a maintenance window hides an alert, which only happens where the switch says so."""
    if not call.world.switches.windows_hide_alerts or alert.status not in ("OPEN", "TRACKING"):
        return False
    open_windows = (one for one in call.project.windows.values() if one.start <= call.now < one.end)
    return any(alert.type_name in window.types for window in open_windows)


@route("GET", "/groups/<gid>/alerts/<aid>")
def alert(call: Call) -> Result:
    return show(call, _alert(call))


@route("PATCH", "/groups/<gid>/alerts/<aid>", needs="monitoring")
def acknowledge(call: Call) -> Result:
    """Acknowledge an alert until a time; a time in the past takes that back."""
    found = _alert(call)
    body = call.fields({"acknowledgedUntil": str, "acknowledgementComment": str}, required=["acknowledgedUntil"])
    if len(body.get("acknowledgementComment", "")) > 2000:
        raise Problem("ACKNOWLEDGEMENT_COMMENT_TOO_LONG", "The comment is longer than 2000 characters.")
    until = call.moment("acknowledgedUntil", body["acknowledgedUntil"])
    found.updated = call.now
    found.acknowledged = {}
    if until is not None and until > call.now:
        found.acknowledged = {**body, "acknowledgingUsername": call.values["key"].public}
    return show(call, found)


@route("GET", "/groups/<gid>/alerts/<aid>/alertConfigs")
def configs_of_alert(call: Call) -> Result:
    config = call.project.alert_configs.get(_alert(call).config_id)
    return Listing([] if config is None else [config], dict)


def _alert(call: Call) -> Alert:
    found = call.project.alerts.get(call.values["aid"])
    if found is None:
        raise Problem("ALERT_NOT_FOUND", f"No alert with ID {call.values['aid']} exists in group {call.project.id}.")
    return found


def show(call: Call, alert: Alert) -> Json:
    found: dict[str, Any] = {
        "id": alert.id,
        "groupId": call.project.id,
        "alertConfigId": alert.config_id,
        "eventTypeName": alert.kind,
        "typeName": alert.type_name,
        "status": alert.status,
        "created": call.time(alert.created),
        "updated": call.time(alert.updated or alert.created),
        "resolved": call.time(alert.resolved) if alert.status == "CLOSED" else None,
        "lastNotified": call.time(alert.created),
        "clusterId": alert.cluster_id,
        "tags": [],
        "links": call.links("alerts", alert.id),
        **alert.extra,
        **alert.acknowledged,
    }
    return {name: value for name, value in found.items() if value is not None}


@route("GET", "/groups/<gid>/alertConfigs")
def configs(call: Call) -> Result:
    return Listing(list(call.project.alert_configs.values()), dict)


@route("GET", "/groups/<gid>/alertConfigs/<kid>")
def config(call: Call) -> Result:
    return dict(_config(call))


@route("GET", "/groups/<gid>/alertConfigs/<kid>/alerts")
def alerts_of_config(call: Call) -> Result:
    wanted = _config(call)["id"]
    found = [one for one in call.project.alerts.values() if one.config_id == wanted and one.status == "OPEN"]
    return Listing(found, lambda one: show(call, one))


@route("POST", "/groups/<gid>/alertConfigs", needs="monitoring")
def create_config(call: Call) -> Result:
    body = call.fields(CONFIG, required=["eventTypeName"])
    created = call.time(call.now)
    found = {
        "enabled": True,
        **body,
        "id": new_id(),
        "groupId": call.project.id,
        "created": created,
        "updated": created,
    }
    call.project.alert_configs[found["id"]] = found
    return 201, dict(found)


@route("PUT", "/groups/<gid>/alertConfigs/<kid>", needs="monitoring")
def replace_config(call: Call) -> Result:
    found = _config(call)
    body = call.fields(CONFIG, required=["eventTypeName"])
    kept = {name: found[name] for name in ("id", "groupId", "created")}
    call.project.alert_configs[found["id"]] = {"enabled": True, **body, **kept, "updated": call.time(call.now)}
    return dict(call.project.alert_configs[found["id"]])


@route("PATCH", "/groups/<gid>/alertConfigs/<kid>", needs="monitoring")
def enable_config(call: Call) -> Result:
    found = _config(call)
    found.update(call.fields({"enabled": bool}, required=["enabled"]), updated=call.time(call.now))
    return dict(found)


@route("DELETE", "/groups/<gid>/alertConfigs/<kid>", needs="monitoring")
def delete_config(call: Call) -> Result:
    del call.project.alert_configs[_config(call)["id"]]
    return call.world.switches.delete_status, {}


def _config(call: Call) -> Json:
    found = call.project.alert_configs.get(call.values["kid"])
    if found is None:
        raise Problem("ALERT_CONFIG_NOT_FOUND", f"No alert configuration with ID {call.values['kid']} exists.")
    return found


@route("GET", "/globalAlerts", needs="global")
@route("GET", "/globalAlertConfigs", needs="global")
def global_alerts(_call: Call) -> Result:
    """There are no alerts of the whole installation here."""
    return Listing([], dict)
