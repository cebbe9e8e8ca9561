"""Maintenance windows, which mute the alerts of some types."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.ops_manager.call import ID, Call, Result, one_of, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Json, Window

FAMILIES = ("HOST", "REPLICA_SET", "CLUSTER", "AGENT", "BACKUP")
FIELDS: dict[str, Any] = {"alertTypeNames": list, "startDate": str, "endDate": str, "description": (str, type(None))}
MISSING = {
    "startDate": "MISSING_MAINTENANCE_WINDOW_START_DATE",
    "endDate": "MISSING_MAINTENANCE_WINDOW_END_DATE",
    "alertTypeNames": "MISSING_MAINTENANCE_WINDOW_ALERT_TYPE_NAME",
}
PATH = "/groups/<gid>/maintenanceWindows"


@route("GET", PATH)
def windows(call: Call) -> Result:
    """Return the windows that have not ended."""
    found = [window for window in call.project.windows.values() if window.end > call.now]
    return Listing(found, lambda window: _show(call, window))


@route("GET", PATH + "/<wid>")
def window(call: Call) -> Result:
    return _show(call, _window(call))


@route("POST", PATH, needs="monitoring")
def create(call: Call) -> Result:
    body = call.fields(FIELDS)
    for name, code in MISSING.items():
        if not body.get(name):
            raise Problem(code, f"The maintenance window has no {name}.")
    start, end = _times(call, body, None)
    _check_families(body)
    description = body.get("description")
    found = Window(body["alertTypeNames"], start, end, call.now, call.now, description)
    call.project.windows[found.id] = found
    return call.world.switches.window_created_status, _show(call, found)


@route("PATCH", PATH + "/<wid>", needs="monitoring")
def change(call: Call) -> Result:
    found = _window(call)
    body = call.fields(FIELDS)
    found_times = _times(call, body, found)
    _check_families(body)
    found.start, found.end = found_times
    found.types = body.get("alertTypeNames", found.types)
    found.description = body.get("description", found.description)
    found.updated = call.now
    return _show(call, found)


@route("DELETE", PATH + "/<wid>", needs="monitoring")
def delete(call: Call) -> Result:
    del call.project.windows[_window(call).id]
    return call.world.switches.delete_status, {}


def _times(call: Call, body: Json, before: Window | None) -> tuple[datetime, datetime]:
    start = call.moment("startDate", body.get("startDate")) or (before.start if before else call.now)
    end = call.moment("endDate", body.get("endDate")) or (before.end if before else call.now)
    if start > end:
        raise Problem("MAINTENANCE_WINDOW_START_DATE_AFTER_END_DATE", "The start date is after the end date.")
    return start, end


def _check_families(body: Json) -> None:
    if body.get("alertTypeNames") == []:
        raise Problem(MISSING["alertTypeNames"], "The maintenance window has no alertTypeNames.")
    for name in body.get("alertTypeNames", ()):
        one_of("alertTypeNames", name, FAMILIES)


def _window(call: Call) -> Window:
    wanted = call.values["wid"]
    if not ID.fullmatch(wanted):
        raise Problem("INVALID_WINDOW_ID", f"An invalid maintenance window ID {wanted} was specified.")
    if wanted not in call.project.windows:
        raise Problem("MAINTENANCE_WINDOW_NOT_FOUND", f"No maintenance window with ID {wanted} exists.")
    return call.project.windows[wanted]


def _show(call: Call, window: Window) -> Json:
    found: dict[str, Any] = {
        "id": window.id,
        "groupId": call.project.id,
        "alertTypeNames": window.types,
        "startDate": call.time(window.start),
        "endDate": call.time(window.end),
        "created": call.time(window.created),
        "updated": call.time(window.updated),
        "description": window.description,
        "links": call.links("maintenanceWindows", window.id),
    }
    return {name: value for name, value in found.items() if value is not None}
