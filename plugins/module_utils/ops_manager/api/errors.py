# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API of Ops Manager refuses, as one error with a remedy for each code that is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ...errors import BackupError, sentence

_ACCESS_LIST = (
    "put the address of the host that this module runs on (or of its proxy) on the access list of the API key"
)
_ROLE = (
    "give the API key the role Project Read Only to read, Project Backup Admin to change backups,"
    " and Project Monitoring Admin for maintenance windows"
)
_STATE = "look at the state of the backup with ops_manager_info, and run it again once it rests"
_WHOLE = "name the whole sharded cluster as ops_manager.cluster: the API changes no single shard"
_PROJECT = "correct ops_manager.project, and check that the API key belongs to this project"
_CLUSTER = "correct ops_manager.cluster; ops_manager_info lists the clusters of a project"
_MONITORED = "check that the monitoring of the cluster runs: without it the backup is not known either"
_BILLING = "settle the billing of the project"

_REMEDIES = {
    "IP_ADDRESS_NOT_ON_ACCESS_LIST": _ACCESS_LIST,
    "IP_ADDRESS_NOT_ON_WHITELIST": _ACCESS_LIST,
    "USER_UNAUTHORIZED": _ROLE,
    "NOT_IN_GROUP": _ROLE,
    "CANNOT_START_BACKUP_INVALID_STATE": _STATE,
    "CANNOT_STOP_BACKUP_INVALID_STATE": _STATE,
    "CANNOT_TERMINATE_BACKUP_INVALID_STATE": _STATE,
    "CANNOT_MODIFY_SHARD_BACKUP_CONFIG": _WHOLE,
    "CANNOT_DELETE_FROM_CLUSTER_SNAPSHOT": _WHOLE,
    "CANNOT_GET_BACKUP_CONFIG_INVALID_STATE": _MONITORED,
    "MISSING_SYNC_SOURCE": "set ops_manager.sync_source",
    "GROUP_NOT_FOUND": _PROJECT,
    "INVALID_GROUP_ID": _PROJECT,
    "CLUSTER_NOT_FOUND": _CLUSTER,
    "INVALID_CLUSTER_ID": _CLUSTER,
    "BACKUP_CONFIG_NOT_FOUND": _CLUSTER,
    "CANNOT_START_BACKUP_NO_BILLING_INFO": _BILLING,
    "ACCOUNT_SUSPENDED": _BILLING,
}

_BY_STATUS = {
    401: "check the pair of ops_manager.public_key and ops_manager.private_key",
    403: _ROLE,
    404: "check ops_manager.url, and the ids and names in the option ops_manager",
    407: "give the credentials of the proxy in ops_manager.proxy",
}

_NO_ANSWER = "check ops_manager.url, ops_manager.proxy and the way there, and run it again"
_NOT_WELL = "see what is wrong with Ops Manager or the proxy before it, and run it again"


@dataclass(frozen=True)
class Refusal:
    """What is known of a request that did not succeed; all but the request is None where there was no such answer."""

    method: str
    path: str
    status: int | None = None
    error_code: str | None = None
    reason: str | None = None
    detail: str | None = None
    #: How long the server wants to be left alone.
    retry_after_seconds: float | None = None


class ApiError(BackupError):
    """The API did not do what it was asked for; `retry` says whether that is only for a while."""

    def __init__(self, refusal: Refusal, *, code: str = "", remedy: str = "") -> None:
        self.method, self.status, self.error_code = refusal.method, refusal.status, refusal.error_code
        self.retry_after_seconds = refusal.retry_after_seconds
        message = sentence(
            expected=f"Ops Manager to answer {refusal.method} {refusal.path}",
            found=_found(refusal),
            remedy=remedy or _remedy(refusal),
        )
        details = asdict(refusal)
        if self.retry_after_seconds is None:
            del details["retry_after_seconds"]
        super().__init__(message, code=code or _code(refusal), details=details)
        # A code of the caller's says what is wrong for good, for example with a certificate.
        self.retry = not code and (self.status is None or self.status == 429 or self.status >= 500)

    @property
    def is_uncertain(self) -> bool:
        """Whether the request may have been done all the same."""
        return self.retry and self.status != 429 and not isinstance(self, NothingSent)


class NothingSent(ApiError):
    """No connection came about, so nothing can have been done."""


def _code(refusal: Refusal) -> str:
    if refusal.error_code:
        return refusal.error_code.lower()
    return "no_answer" if refusal.status is None else f"http_{refusal.status}"


def _found(refusal: Refusal) -> str:
    status = None if refusal.status is None else f"HTTP {refusal.status}"
    head = " ".join(part for part in (status, refusal.error_code or refusal.reason) if part)
    detail = (refusal.detail or "").rstrip(". ")
    return f"{head or 'no answer'} ({detail})" if detail else head or "no answer"


def _remedy(refusal: Refusal) -> str:
    if refusal.retry_after_seconds is not None:
        again = f"run it again in {refusal.retry_after_seconds:.0f} s"
        return (
            f"{again}; a larger ops_manager.poll_seconds asks less often, a larger ops_manager.patience_seconds waits"
        )
    if refusal.error_code in _REMEDIES:
        return _REMEDIES[refusal.error_code]
    if refusal.status is None:
        return _NO_ANSWER
    if refusal.status >= 500:
        return _NOT_WELL
    return _BY_STATUS.get(refusal.status, "do what the answer says")
