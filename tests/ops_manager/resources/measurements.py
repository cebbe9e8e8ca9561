"""Measurements of a host, among them the window of its oplog."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Host, Json, Measurement
from tests.ops_manager.resources.topology import host_of

DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
SECONDS_PER = {"SECONDS": 1.0, "MILLISECONDS": 0.001, "MINUTES": 60.0, "HOURS": 3600.0}
OLD_NAMES = {"OPLOG_REPLICATION_LAG_TIME": "OPLOG_SLAVE_LAG_MASTER_TIME"}


@route("GET", "/groups/<gid>/hosts/<hid>/measurements")
def measurements(call: Call) -> Result:
    host = host_of(call)
    step = duration(call.request.args.get("granularity"))
    if step is None or not step:
        raise Problem("INVALID_GRANULARITY", "An invalid granularity was specified.")
    _check_period(call)
    known = {_name(call, name): name for name in host.measurements}
    wanted = call.request.args.getlist("m") or list(known)
    for name in wanted:
        if name not in known:
            raise Problem("INVALID_METRIC_NAME", f"Metric {name} is not valid for host {host.id}.")
    shown = [_show(call, name, host.measurements[known[name]], step) for name in wanted]
    return {
        "start": call.time(call.now - timedelta(hours=1)),
        "end": call.time(call.now),
        "granularity": call.request.args["granularity"],
        "groupId": host.project_id,
        "hostId": host.id,
        "processId": _process(host),
        "links": call.links("hosts", host.id, "measurements"),
        "measurements": shown,
    }


def _check_period(call: Call) -> None:
    period = call.request.args.get("period")
    ends = [call.request.args.get(name) for name in ("start", "end")]
    if period is None and None in ends:
        raise Problem("INVALID_PERIOD", "Either period or start and end have to be specified.")
    if period is not None and not duration(period):
        raise Problem("INVALID_PERIOD", f"An invalid period {period} was specified.")


def duration(text: str | None) -> timedelta | None:
    """Return a duration in ISO 8601, None where it is none."""
    found = DURATION.fullmatch(text or "")
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _name(call: Call, name: str) -> str:
    """Return the name of a metric as servers of this spelling know it."""
    return OLD_NAMES.get(name, name) if call.spelling == "old" else name


def _show(call: Call, name: str, measurement: Measurement, step: timedelta) -> Json:
    factor, units = 1.0, measurement.units
    if units in SECONDS_PER:
        factor, units = (
            SECONDS_PER[units] / SECONDS_PER[call.world.switches.oplog_units],
            call.world.switches.oplog_units,
        )
    last = len(measurement.values) - 1
    points = [
        {"timestamp": call.time(call.now - (last - place) * step), "value": None if value is None else value * factor}
        for place, value in enumerate(measurement.values)
    ]
    return {"name": name, "units": units, "dataPoints": points}


def _process(host: Host) -> str:
    return f"{host.hostname}:{host.port}"
