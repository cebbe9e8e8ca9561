# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of the API of Ops Manager and Cloud Manager: JSON in and out, digest, pages, and waiting while that helps.

What is lost on the way is asked for again only where nothing can have been done twice: reading always, writing only where
the server has refused it for now or where no connection came about.
"""

from __future__ import annotations

import json
import random
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit

from ...values import Answer
from . import authentication, replies
from .errors import ApiError, NothingSent, Refusal
from .transport import API, Connection, Reply, TooLarge, Transport

__all__ = ["Client", "Connection"]

_PAGE = 100
#: With as many entries no server is asked any further.
_MOST_PAGES = 2000

#: A nonce that grows old between the challenge and the answer is no reason to give up; one that always does is.
_LOGINS = 4

#: Even when all patience is used up, a server that answers at once is worth this much.
_LEAST_TIMEOUT = 5.0


class Client:
    """Speaks to one server as one key. Not for several threads."""

    #: The server's time when it answered last; its clock decides what is in the future.
    server_time: datetime | None = None

    def __init__(self, connection: Connection, patience_seconds: float = 40.0) -> None:
        self._connection = connection
        self._login = authentication.Credentials(connection.public_key, connection.private_key)
        self._transport = Transport(connection)
        self._challenge: authentication.Challenge | None = None
        self._uses = 0
        #: How long all calls together may still spend on attempts that failed, and on waiting.
        self._patience = patience_seconds

    def get(self, path: str, **query: Any) -> Answer:
        """Return one resource. A list as a value of the query repeats the parameter."""
        return self._object("GET", path, query)

    def post(self, path: str, body: Mapping[str, Any], **query: Any) -> Answer:
        """Create a resource and return the answer."""
        return self._object("POST", path, query, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Change the fields of the body and return the answer."""
        return self._object("PATCH", path, {}, body)

    def delete(self, path: str) -> None:
        """Delete a resource."""
        self._call("DELETE", path, {})

    def pages(self, path: str, **query: Any) -> Iterator[Answer]:
        """Return all entries of a list, page by page to the end."""
        seen, number, before = 0, 1, None
        while True:
            page = self._call("GET", path, {**query, "itemsPerPage": _PAGE, "pageNum": number})
            entries = replies.entries(page)
            if entries is None:
                raise self._unreadable("GET", path, None, "JSON that is no list")
            # A server that does not know of pages would be asked for ever.
            if entries == before:
                return
            if number > _MOST_PAGES:
                raise self._unreadable("GET", path, None, f"a list of more than {_MOST_PAGES} pages")
            yield from entries
            seen += len(entries)
            if not replies.has_more(page, seen, len(entries) == _PAGE):
                return
            number, before = number + 1, entries

    def _object(
        self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None
    ) -> Answer:
        found = self._call(method, path, query, body)
        if not isinstance(found, dict):
            raise self._unreadable(method, path, None, "JSON that is no object")
        return found

    def _call(self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> Any:
        """Ask until there is an answer, it is clear that there will be none, or the patience is used up."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                return self._once(method, path, query, body)
            except ApiError as error:
                self._patience -= time.monotonic() - began
                wait = self._wait(error, attempt)
                if wait is None or wait >= self._patience:
                    raise
            self._patience -= wait
            attempt += 1
            time.sleep(wait)

    @staticmethod
    def _wait(error: ApiError, attempt: int) -> float | None:
        """Return how long to wait before the next attempt; None where it could do something twice, or would not help."""
        again = error.retry and (error.method == "GET" or error.status == 429 or isinstance(error, NothingSent))
        if not again or error.status == 500:
            return None
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        # Many that lost the same server must not come back at the same moment.
        return min(2.0**attempt, 8.0) * random.uniform(0.5, 1.0)  # noqa: S311

    def _once(self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None) -> Any:
        reply = self._sent(method, path, query, body)
        moment = replies.date_of(reply)
        self.server_time = moment or self.server_time
        if reply.status >= 300:
            raise self._refused(method, path, reply)
        if not reply.body.strip():
            return {}
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError):
            raise self._unreadable(method, path, reply.status, replies.quoted(reply.body)) from None

    def _sent(self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None) -> Reply:
        """Send a request, and log in as often as the server wants it and that makes sense."""
        url = self._connection.url + API + path
        text = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        url = f"{url}?{text}" if text else url
        data = None if body is None else json.dumps(body).encode()
        fresh = False
        for _attempt in range(_LOGINS):
            reply = self._transmitted(method, path, url, data)
            challenge = authentication.challenge_of(reply.headers.get_all("WWW-Authenticate") or [])
            if reply.status != 401 or challenge is None or (fresh and not challenge.stale):
                break
            self._challenge, self._uses, fresh = challenge, 0, True
        return reply

    def _transmitted(self, method: str, path: str, url: str, data: bytes | None) -> Reply:
        headers = {"Accept": "application/json", "User-Agent": "mongodb_ops.backup"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if self._challenge is not None:
            self._uses += 1
            parts = urlsplit(url)
            uri = f"{parts.path}?{parts.query}" if parts.query else parts.path
            headers["Authorization"] = authentication.authorization(
                self._challenge, self._login, method, uri, self._uses
            )
        timeout = min(self._connection.timeout_seconds, max(self._patience, _LEAST_TIMEOUT))
        try:
            return self._transport.send(method, url, headers, data, timeout)
        except (OSError, HTTPException, ValueError) as error:
            raise self._unanswered(method, path, error) from None

    def _unanswered(self, method: str, path: str, error: Exception) -> ApiError:
        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        refusal = Refusal(method, path, detail=self._clean(f"{type(cause).__name__}: {cause}"))
        if isinstance(cause, ssl.SSLCertVerificationError):
            remedy = "set ops_manager.ca_file to the certificates of the authority that signed the one of the server"
            return ApiError(refusal, code="certificate_refused", remedy=remedy)
        if isinstance(cause, TooLarge):
            return ApiError(refusal, code="answer_too_large", remedy="see who answers at ops_manager.url")
        # Before anything is written to it, a connection has to come about.
        return (NothingSent if isinstance(cause, replies.NO_CONNECTION) else ApiError)(refusal)

    def _refused(self, method: str, path: str, reply: Reply) -> ApiError:
        said = replies.error_body(reply.body)
        refusal = Refusal(
            method=method,
            path=path,
            status=reply.status,
            error_code=said.get("errorCode"),
            reason=said.get("reason") or reply.reason or None,
            detail=self._clean(said.get("detail") or replies.quoted(reply.body)) or None,
            retry_after_seconds=replies.retry_after(reply),
        )
        return ApiError(refusal, remedy=replies.redirect_remedy(reply))

    def _unreadable(self, method: str, path: str, status: int | None, found: str) -> ApiError:
        refusal = Refusal(
            method, path, status=status, reason="not the JSON that was expected", detail=self._clean(found)
        )
        remedy = "check that ops_manager.url is that of Ops Manager, and that no proxy answers in its place"
        return ApiError(refusal, code="not_json", remedy=remedy)

    def _clean(self, text: str) -> str:
        return " ".join(text.replace(self._connection.private_key, "***").split())[:300]
