"""The featureCompatibilityVersion of the head follows that of the source."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.errors import OperationFailure

from backup_agent.errors import Transient, Unsupported
from backup_agent.replay.groups import describe
from backup_agent.times import OpTime
from backup_agent.values import Client
from backup_agent.words import words

DOCUMENT = "featureCompatibilityVersion"
CONFIRMED_SINCE = 7
"""From this major version on the command wants to be confirmed."""


def take_over(source: Client, head: Client) -> None:
    """Give the head the source's version. Raises Transient while the source changes its own, Unsupported when it cannot be."""
    found = source.admin.command("getParameter", 1, featureCompatibilityVersion=1)[DOCUMENT]
    if "targetVersion" in found:
        raise Transient(
            f"the source's {DOCUMENT} is being changed to {found['targetVersion']}; the sync begins when that is done"
        )
    _set(head, str(found["version"]), "the source")


def follow(head: Client, entry: RawBSONDocument, optime: OpTime) -> None:
    """Apply an entry on `admin.system.version`; other documents of that collection belong to the member.

    While a change goes on the document names its target; the last entry of a change does not. Raises Unsupported when the head's
    mongod cannot take the version.
    """
    if (entry.get("o2") or entry["o"])["_id"] != DOCUMENT:
        return
    o, what = entry["o"], describe(entry["op"], entry["ns"], optime)
    if entry["op"] == "d" or "$v" in o or "version" not in o:
        raise Unsupported(
            f"{what}: expected the whole document of the {DOCUMENT}, found something else; resync the job"
        )
    if "targetVersion" not in o:
        _set(head, str(o["version"]), what)


def _set(head: Client, version: str, what: str) -> None:
    current = head.admin.command("getParameter", 1, featureCompatibilityVersion=1)[DOCUMENT]
    if current == {"version": version}:
        return
    command: SON[str, Any] = SON([("setFeatureCompatibilityVersion", version)])
    if int(head.server_info()["versionArray"][0]) >= CONFIRMED_SINCE:
        command["confirm"] = True
    try:
        head.admin.command(command)
    except OperationFailure as error:
        raise Unsupported(
            f"{what} has {DOCUMENT} {version}, which the head's mongod {head.server_info()['version']} refuses: {words(error)}; "
            "upgrade the head first (head.mongod), then restart the agent"
        ) from error
