"""Automation: its configuration as one document, and how far the processes have come."""

from __future__ import annotations

import copy

from werkzeug import Response

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Json

PATH = "/groups/<gid>/automationConfig"
BACKUP_AGENT = {
    "logPath": str,
    "logPathWindows": str,
    "logRotate": dict,
    "username": str,
    "password": str,
    "sslPEMKeyFile": str,
    "configOverrides": dict,
}


@route("GET", "/groups/<gid>/automationStatus")
def status(call: Call) -> Result:
    goal = call.project.automation.get("version", 1)
    processes = [
        {
            "hostname": host.hostname,
            "name": f"{host.hostname}_{host.port}",
            "lastGoalVersionAchieved": goal,
            "plan": [],
        }
        for host in call.project.hosts.values()
    ]
    return {"goalVersion": goal, "processes": processes}


@route("GET", PATH)
@route("GET", PATH + "/noSecrets")
def config(call: Call) -> Result:
    return copy.deepcopy(call.project.automation)


@route("PUT", PATH, needs="automation", access_list=True)
def replace(call: Call) -> Result:
    """Replace the whole document; one that was read before another change is refused."""
    body = call.request.get_json(silent=True, force=True)
    if not isinstance(body, dict):
        raise Problem("INVALID_JSON", "Received JSON is malformed.")
    version = call.project.automation.get("version", 1)
    if body.get("version", version) != version:
        raise Problem("AUTOMATION_CONFIG_CONCURRENT_MODIFICATION", "Another change of the configuration was faster.")
    call.project.automation = {**body, "version": version + 1}
    return {}


@route("POST", PATH + "/updateAgentVersions", needs="automation")
def update_agents(call: Call) -> Result:
    found: Json = {"automationAgentVersion": "10.14.0.6304-1", "backupAgentVersion": "10.14.0.6304-1", "links": []}
    return found


@route("GET", PATH + "/backupAgentConfig")
def backup_agent(call: Call) -> Result:
    return dict(call.project.backup_agent_config)


@route("PUT", PATH + "/backupAgentConfig", needs="automation", access_list=True)
def replace_backup_agent(call: Call) -> Result:
    call.project.backup_agent_config = call.fields(BACKUP_AGENT)
    return Response(status=200)
