"""What happens to a request, in order: the fault, the key, the limits, the handler, the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request, Response
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

import tests.ops_manager.resources  # noqa: F401 (its parts enter themselves into the table of handlers)
from tests.ops_manager import access
from tests.ops_manager.breaking import Breaker, lose_connection
from tests.ops_manager.call import ROUTES, Call, Result, Route
from tests.ops_manager.digest import Guard, Key, NotAuthenticated
from tests.ops_manager.faults import Fault
from tests.ops_manager.limits import Limits
from tests.ops_manager.paging import Listing, page
from tests.ops_manager.problems import Problem, reason_of
from tests.ops_manager.world import World


@dataclass
class Asked:
    """A request as it came in, and the status of its answer, None where it got none."""

    method: str
    path: str
    """The path without the part before the version of the API."""
    query: dict[str, list[str]]
    body: Any
    status: int | None = None
    challenged: bool = False
    """Whether the answer was only to ask for a digest."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class Application:
    """The API as a WSGI application."""

    def __init__(self, world: World, guard: Guard, breaker: Breaker) -> None:
        self._world = world
        self._guard = guard
        self._breaker = breaker
        self._limits = Limits(world)
        self._map = Map([Rule(one.path, endpoint=one, methods=[one.method]) for one in ROUTES], strict_slashes=False)
        self.log: list[Asked] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        path = request.path.replace("/api/public/v1.0", "", 1)
        sent = {name: value for name, value in request.headers.items() if name != "Authorization"}
        asked = Asked(request.method, path, dict(request.args.lists()), request.get_json(silent=True, force=True))
        asked.headers = sent
        self.log.append(asked)
        response = self._answer(request, asked)
        asked.status = response.status_code
        if response.headers.pop("X-Download-Cut", "false") == "true":
            return _half_of(response, environ, start_response)
        return response(environ, start_response)

    def _answer(self, request: Request, asked: Asked) -> Response:
        try:
            found, values = self._route(request)
            free = found is not None and found.needs == "nobody"
            key = None if free else self._guard.check(request.method, _uri(request), request.authorization)
        except NotAuthenticated as refusal:
            asked.challenged = True
            return _challenge(refusal)
        fault = self._breaker.faults.take(request.method, asked.path)
        if fault is not None and fault.when == "before":
            instead = self._breaker.happen(fault, request.environ)
            if instead is not None:
                return instead
        response = self._handled(request, found, values, key)
        if fault is not None and fault.when == "after":
            return self._breaker.happen(fault, request.environ) or response
        return response

    def _route(self, request: Request) -> tuple[Route | None, dict[str, Any]]:
        """Return the route and the values of the path; without a route the values hold what is wrong."""
        try:
            found, values = self._map.bind_to_environ(request.environ).match()
        except NotFound:
            return None, {"problem": Problem("RESOURCE_NOT_FOUND", f"Cannot find resource {request.path}.")}
        except MethodNotAllowed as refusal:
            allow = {"Allow": ", ".join(sorted(refusal.valid_methods or ()))}
            detail = f"Method {request.method} is not allowed for {request.path}."
            return None, {"problem": Problem("METHOD_NOT_ALLOWED", detail, headers=allow)}
        return found, dict(values)

    def _handled(self, request: Request, found: Route | None, values: dict[str, Any], key: Key | None) -> Response:
        try:
            if found is None:
                raise values["problem"]
            with self._world.lock:
                call = Call(self._world, request, self._world.look(), values)
                if key is not None:
                    access.check(call, found, key, self._limits)
                return self._response(call, found.handler(call))
        except Problem as problem:
            return _json(request, problem.status, problem.body(), problem.headers)

    def _response(self, call: Call, result: Result) -> Response:
        status, body = result if isinstance(result, tuple) else (200, result)
        if isinstance(body, Response):
            return body
        if isinstance(body, Listing):
            body = page(body, call.request, self._world.switches, self._world.base_url)
        if status == 204:
            return Response(status=204)
        return _json(call.request, status, body)


def _json(request: Request, status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    if request.args.get("envelope") == "true":
        listed = isinstance(body, dict) and "results" in body
        body = {"status": status, **(body if listed else {"content": body})}
        status = 200
    text = json.dumps(body, indent=2 if request.args.get("pretty") == "true" else None)
    response = Response(text, status=status, mimetype="application/json", headers=headers)
    response.headers["X-MongoDB-Service-Version"] = "gitHash=0; versionString=8.0.0.500"
    return response


def _challenge(refusal: NotAuthenticated) -> Response:
    body = {"error": 401, "reason": reason_of(401), "detail": "You are not authorized for this resource."}
    response = Response(json.dumps(body), status=401, mimetype="application/json")
    response.www_authenticate = refusal.challenge
    return response


def _uri(request: Request) -> str:
    return str(request.environ.get("REQUEST_URI") or request.full_path)


def _half_of(response: Response, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Announce the whole length, send half of it, and lose the connection."""
    response.direct_passthrough = False
    content = response.get_data()
    start_response(response.status, list(response.headers))
    yield content[: len(content) // 2]
    time.sleep(0)
    lose_connection(environ)


__all__ = ["Application", "Asked", "Fault"]
