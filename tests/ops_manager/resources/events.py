"""What has happened, the newest first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Event, Json, Project


@route("GET", "/groups/<gid>/events")
def events(call: Call) -> Result:
    return _list(call, [call.project])


@route("GET", "/orgs/<oid>/events")
def events_of_organization(call: Call) -> Result:
    """Return the events of all projects of the organization that the key may see."""
    visible = [project for project in call.values["visible"] if project.org_id == call.values["oid"]]
    if not visible:
        raise Problem("RESOURCE_NOT_FOUND", f"No organization with ID {call.values['oid']} exists.")
    return _list(call, visible)


@route("GET", "/groups/<gid>/events/<eid>")
def event(call: Call) -> Result:
    for found in call.project.events:
        if found.id == call.values["eid"]:
            return _show(call, call.project, found)
    raise Problem("EVENT_NOT_FOUND", f"No event with ID {call.values['eid']} exists in group {call.project.id}.")


def _list(call: Call, projects: list[Project]) -> Result:
    kinds = call.request.args.getlist("eventType")
    ends = [call.moment(name, call.request.args.get(name)) for name in ("minDate", "maxDate")]
    found = []
    for project in projects:
        for one in project.events:
            shown = call.moment("created", call.time(one.created)) or one.created
            visible = one.created + timedelta(seconds=call.world.timing.event_delay) <= call.now
            in_time = (ends[0] is None or ends[0] <= shown) and (ends[1] is None or shown <= ends[1])
            if visible and in_time and (not kinds or one.kind in kinds):
                found.append((project, one))
    # Of events of the same moment, the later one comes first as well.
    found.reverse()
    found.sort(key=lambda pair: pair[1].created, reverse=True)
    return Listing(found, lambda pair: _show(call, *pair))


def _show(call: Call, project: Project, event: Event) -> Json:
    found: dict[str, Any] = {
        "id": event.id,
        "eventTypeName": event.kind,
        "created": call.time(event.created),
        "groupId": project.id,
        "orgId": project.org_id,
        "isGlobalAdmin": False,
        "links": [],
    }
    return {**found, **event.extra}
