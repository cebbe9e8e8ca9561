"""Who may do what: roles, projects, access lists, and how many requests there may be."""

from __future__ import annotations

from tests.ops_manager.call import Call, Route
from tests.ops_manager.digest import Key
from tests.ops_manager.limits import Limits
from tests.ops_manager.problems import Problem

ROLES = {
    "owner": frozenset({"read", "backup", "monitoring", "automation"}),
    "read_only": frozenset({"read"}),
    "backup_admin": frozenset({"read", "backup"}),
    "monitoring_admin": frozenset({"read", "monitoring"}),
    "automation_admin": frozenset({"read", "automation"}),
    "global_owner": frozenset({"read", "backup", "monitoring", "automation", "global"}),
}


def check(call: Call, route: Route, key: Key, limits: Limits) -> None:
    """Refuse what the key may not do, or not so often."""
    call.values["key"] = key
    call.values["visible"] = [one for one in call.world.projects.values() if _sees(key, one.id)]
    project: str | None = None
    if "gid" in call.values:
        project = call.project.id
        limits.count(project)
        if not _sees(key, project):
            raise _refusal(call, "NOT_IN_GROUP", f"The current user is not in the group {project}.")
    if route.needs not in key.roles:
        raise _refusal(call, "USER_UNAUTHORIZED", "Current user is not authorized to perform this action.")
    writes = route.method not in ("GET", "HEAD")
    switches = call.world.switches
    listed = route.access_list or (writes and switches.access_list_all_writes)
    if listed and not switches.on_access_list:
        code = "IP_ADDRESS_NOT_ON_WHITELIST" if switches.spelling == "old" else "IP_ADDRESS_NOT_ON_ACCESS_LIST"
        raise Problem(code, "IP address 127.0.0.1 is not allowed to access this resource.")


def _sees(key: Key, project: str) -> bool:
    return key.projects is None or project in key.projects


def _refusal(call: Call, code: str, detail: str) -> Problem:
    """Return a refusal, which used to be 403 and is 401 in newer versions."""
    return Problem(code, detail, status=403 if call.spelling == "old" else 401)
