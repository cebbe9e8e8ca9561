"""Errors as the API answers them: the code decides the HTTP status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

BY_STATUS = {
    400: (
        "INVALID_FILTERLIST",
        "CANNOT_SET_CREDENTIALS_FOR_AUTH_MECHANISM",
        "CANNOT_SET_PASSWORD_FOR_AUTH_MECHANISM",
        "MISSING_CREDENTIALS_FOR_AUTH_MECHANISM",
        "MISSING_PASSWORD",
        "INVALID_CLUSTER_ID",
        "INVALID_GROUP_ID",
        "INVALID_WINDOW_ID",
        "INVALID_AGENT_TYPE_NAME",
        "INVALID_ALERT_STATUS",
        "INVALID_GRANULARITY",
        "INVALID_PERIOD",
        "INVALID_METRIC_NAME",
        "FRACTIONAL_TIMESTAMP",
        "INVALID_SNAPSHOT_INTERVAL",
        "INVALID_SNAPSHOT_RETENTION_PERIOD",
        "INVALID_DAILY_SNAPSHOT_RETENTION_PERIOD",
        "INVALID_WEEKLY_SNAPSHOT_RETENTION_PERIOD",
        "INVALID_MONTHLY_SNAPSHOT_RETENTION_PERIOD",
        "INVALID_CLUSTER_CHECKPOINT_INTERVAL",
        "INVALID_REFERENCE_HOUR_OF_DAY",
        "INVALID_REFERENCE_MINUTE_OF_HOUR",
        "INVALID_REFERENCE_TIMEZONE_OFFSET",
        "CANNOT_SET_POINT_IN_TIME_WINDOW",
        "CANNOT_SET_REF_TIME_OF_DAY",
        "UNSUPPORTED_DELIVERY_METHOD",
        "MISSING_MAINTENANCE_WINDOW_START_DATE",
        "MISSING_MAINTENANCE_WINDOW_END_DATE",
        "MISSING_MAINTENANCE_WINDOW_ALERT_TYPE_NAME",
        "MAINTENANCE_WINDOW_START_DATE_AFTER_END_DATE",
        "GLOBAL_ALERTS_ONLY",
        "ACKNOWLEDGEMENT_COMMENT_TOO_LONG",
        # Not in the reference; the documentation only says that these are 400.
        "INVALID_ATTRIBUTE",
        "INVALID_ENUM_VALUE",
        "INVALID_JSON",
        "INVALID_QUERY_PARAMETER",
        "MISSING_ATTRIBUTE",
    ),
    401: ("USER_UNAUTHORIZED", "NOT_IN_GROUP"),
    402: ("CANNOT_START_BACKUP_NO_BILLING_INFO", "ACCOUNT_SUSPENDED"),
    403: (
        "UNSUPPORTED_SET_BACKUP_STATE",
        "CANNOT_DELETE_FROM_CLUSTER_SNAPSHOT",
        "IP_ADDRESS_NOT_ON_ACCESS_LIST",
        "IP_ADDRESS_NOT_ON_WHITELIST",
    ),
    404: (
        "BACKUP_CONFIG_NOT_FOUND",
        "CLUSTER_NOT_FOUND",
        "GROUP_NOT_FOUND",
        "HOST_NOT_FOUND",
        "SNAPSHOT_NOT_FOUND",
        "ALERT_NOT_FOUND",
        "MAINTENANCE_WINDOW_NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        # Not in the reference.
        "ALERT_CONFIG_NOT_FOUND",
        "CHECKPOINT_NOT_FOUND",
        "EVENT_NOT_FOUND",
        "RESTORE_JOB_NOT_FOUND",
        "SNAPSHOT_SCHEDULE_NOT_FOUND",
    ),
    405: ("METHOD_NOT_ALLOWED",),
    409: (
        "CANNOT_START_BACKUP_INVALID_STATE",
        "CANNOT_STOP_BACKUP_INVALID_STATE",
        "CANNOT_TERMINATE_BACKUP_INVALID_STATE",
        "MISSING_SYNC_SOURCE",
        "CANNOT_MODIFY_SHARD_BACKUP_CONFIG",
        "CANNOT_GET_BACKUP_CONFIG_INVALID_STATE",
        "CANNOT_SET_BACKUP_AUTH_FOR_MANAGED_CLUSTER",
        "UPGRADE_FOR_EXCLUDED_NAMESPACES",
        "UPGRADE_FOR_INCLUDED_NAMESPACES",
        "UPGRADE_FOR_CLUSTER_CHECKPOINT_INTERVAL",
        "CANNOT_SET_CLUSTER_CHECKPOINT_INTERVAL_FOR_REPLICA_SET",
        "NO_CHECKPOINT_FOR_PIT_RESTORE",
        "LINK_EXPIRATION_AFTER_SNAPSHOT_DELETION",
        "AUTOMATION_CONFIG_CONCURRENT_MODIFICATION",
        # Not in the reference, or only as the beginning of a name.
        "CANNOT_START_RESTORE_JOB_FOR_INCOMPLETE_SNAPSHOT",
        "CANNOT_START_RESTORE_JOB_FOR_INVALID_POINT_IN_TIME",
        "CANNOT_MODIFY_SNAPSHOT_SCHEDULE_INVALID_STATE",
        "CANNOT_MODIFY_EXPIRED_SNAPSHOT",
    ),
    429: ("RATE_LIMITED",),
    500: ("UNEXPECTED_ERROR",),
}
STATUS_OF = {code: status for status, codes in BY_STATUS.items() for code in codes}


class Problem(Exception):
    """A refusal, with what the body of the answer says."""

    def __init__(
        self,
        code: str | None,
        detail: str,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status if status is not None else STATUS_OF.get(code or "", 500)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"error": self.status, "reason": reason_of(self.status), "detail": self.detail}
        if self.code is not None:
            found.update(errorCode=self.code, parameters=[])
        return found


def reason_of(status: int) -> str:
    return HTTPStatus(status).phrase
