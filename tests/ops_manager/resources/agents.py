"""Agents: which there are, which works, and when each was last heard of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Agent, Json, new_id

TYPES = ("MONITORING", "BACKUP", "AUTOMATION")
LATEST = "10.14.0.6304"


@route("GET", "/groups/<gid>/agents")
def kinds(call: Call) -> Result:
    """Return where the agents of each type are listed; here are none."""
    others = {f"{name.lower()}Agents": ("agents", name) for name in TYPES}
    return {"links": call.links("agents", **others), "results": [], "totalCount": 0}


@route("GET", "/groups/<gid>/agents/versions")
def versions(call: Call) -> Result:
    entries = [_show_version(call, agent) for agent in call.project.agents]
    return {
        "count": len(entries),
        "entries": entries,
        "isAnyAgentNotManaged": not all(agent.managed for agent in call.project.agents),
        "isAnyAgentVersionDeprecated": False,
        "isAnyAgentVersionOld": False,
        "latestVersion": LATEST,
        "minimumVersion": "5.0.0.309",
        "minimumAgentVersionDetected": LATEST,
        "links": call.links("agents", "versions"),
    }


@route("GET", "/groups/<gid>/agents/<kind>")
def agents(call: Call) -> Result:
    kind = call.values["kind"]
    if kind not in TYPES:
        raise Problem("INVALID_AGENT_TYPE_NAME", f"An invalid agent type name {kind} was specified.")
    found = [agent for agent in call.project.agents if agent.type_name == kind]
    return Listing(found, lambda agent: _show(call, agent))


def _show(call: Call, agent: Agent) -> Json:
    found: dict[str, Any] = {
        "typeName": agent.type_name,
        "hostname": agent.hostname,
        "stateName": agent.state,
        "confCount": agent.conf_count,
        "lastConf": call.time(agent.last_conf),
    }
    if agent.type_name == "MONITORING":
        found.update(pingCount=agent.conf_count, lastPing=call.time(agent.last_conf))
    if agent.type_name != "AUTOMATION":
        found["isManaged"] = agent.managed
    if agent.tag is not None:
        found["tag"] = agent.tag
    return {name: value for name, value in found.items() if value is not None}


def _show_version(call: Call, agent: Agent) -> Json:
    last = agent.last_conf or call.now
    return {
        "address": "127.0.0.1",
        "hostname": agent.hostname,
        "hostnameShort": agent.hostname.split(".")[0],
        "version": agent.version,
        "pingCount": 0,
        "confCount": agent.conf_count,
        "tagName": agent.type_name,
        "lastConf": _milliseconds(last),
        "msSinceLastConf": int((call.now - last).total_seconds() * 1000),
        "isPrimary": agent.state == "ACTIVE",
        "isManaged": agent.managed,
        "isModule": False,
        "isVersionOld": False,
        "isVersionDeprecated": False,
        "pingState": "ok",
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@route("GET", "/softwareComponents/versions")
def components(_call: Call) -> Result:
    return {
        "automationVersion": LATEST,
        "automationMinimumVersion": "10.2.17.5964",
        "biConnectorVersion": "2.3.4",
        "mongoDbToolsVersion": "100.0.1",
        "links": [],
    }


@route("GET", "/groups/<gid>/agentapikeys")
def keys(call: Call) -> Result:
    """Return a bare array, with masked keys."""
    return [{**key, "key": f"****************************{key['key'][-4:]}"} for key in call.project.agent_keys]


@route("POST", "/groups/<gid>/agentapikeys", needs="automation")
def create_key(call: Call) -> Result:
    """Create a key; it is shown whole this once."""
    body = call.fields({"desc": str}, required=["desc"])
    found: Json = {
        "_id": new_id(),
        "key": new_id() * 2,
        "desc": body["desc"],
        "createdBy": "PUBLIC_API",
        "createdTime": _milliseconds(call.now),
        "createdIpAddr": "127.0.0.1",
        "createdUserId": None,
    }
    call.project.agent_keys.append(found)
    return dict(found)


@route("DELETE", "/groups/<gid>/agentapikeys/<kid>", needs="automation")
def delete_key(call: Call) -> Result:
    kept = [key for key in call.project.agent_keys if key["_id"] != call.values["kid"]]
    if len(kept) == len(call.project.agent_keys):
        raise Problem("RESOURCE_NOT_FOUND", f"No agent API key with ID {call.values['kid']} exists.")
    call.project.agent_keys = kept
    return call.world.switches.delete_status, {}


@route("GET", "/version", needs="nobody", base="/api/private/unauth")
def version(_call: Call) -> Result:
    return {"gitHash": "0" * 40, "versionString": "8.0.0.500"}
