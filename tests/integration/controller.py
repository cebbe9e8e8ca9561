"""A server that takes the calls of the modules of awx.awx, over HTTP, keeps what they make and shows it again.

It is not AWX. It has names, lists, associations, surveys and nodes as the modules use them, and refuses what AWX
refuses where a mistake of ours would show: surveys, rules of schedules, answers that are not asked for, templates of injectors.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]

TOKEN = "a-token-of-awx"
TEMPLATES = ("job_templates", "workflow_job_templates", "projects", "inventory_sources")
COLLECTIONS = (
    *TEMPLATES,
    "organizations",
    "execution_environments",
    "notification_templates",
    "credential_types",
    "credentials",
    "inventories",
    "workflow_job_template_nodes",
    "workflow_approval_templates",
    "schedules",
)
PLURALS = {"inventories": "inventory"}
QUESTIONS = {"text": str, "textarea": str, "password": str, "multiplechoice": str, "integer": int, "float": float}
RULE = re.compile(r"DTSTART(;TZID=[A-Za-z_/+-]+:\d{8}T\d{6}|:\d{8}T\d{6}Z) RRULE:FREQ=[A-Z]+;.*INTERVAL=\d+")


class Refused(Exception):
    """A call that AWX answers with 400."""


class Controller:
    """What was made, and every call that made it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.things: dict[str, dict[int, Json]] = {name: {} for name in COLLECTIONS}
        self.links: dict[str, list[int]] = {}
        self.surveys: dict[str, Json] = {}
        self.calls: list[tuple[str, str, Json]] = []
        self.last = 0

    def add(self, collection: str, **fields: Any) -> Json:
        """Make something, as a POST does and as what was there before."""
        self.last += 1
        kind = PLURALS.get(collection, collection[:-1])
        url = f"/api/v2/{collection}/{self.last}/"
        made = {"kind": ""} | fields | {"id": self.last, "type": kind, "url": url, "summary_fields": {}}
        made["scm_revision"] = ""
        made["related"] = {"survey_spec": f"{url}survey_spec/"}
        self.things[collection][self.last] = made
        return made

    def named(self, collection: str, name: str) -> Json:
        """Return the one thing of that name."""
        (found,) = (
            thing for thing in self.things[collection].values() if name == thing.get("name", thing.get("identifier"))
        )
        return found

    def linked(self, thing: Json, kind: str) -> list[str]:
        """Return the names of what is associated with a thing."""
        everything = {number: other for things in self.things.values() for number, other in things.items()}
        others = (everything[number] for number in self.links.get(f"{thing['url']}{kind}/", []))
        return sorted(other.get("name") or other["identifier"] for other in others)

    def survey(self, thing: Json) -> Json:
        """Return the questions of a template, by variable."""
        return {question["variable"]: question for question in self.surveys.get(thing["url"], {}).get("spec", [])}

    def written(self) -> list[tuple[str, str, Json]]:
        """Return the calls that change something."""
        return [call for call in self.calls if call[0] != "GET"]

    # --- What a call does --------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Json]:
        """Do what a call asks for."""
        self.calls.append((method, path, body))
        parts = path.removeprefix("/api/v2/").strip("/").split("/")
        if not path.startswith("/api/v2/") or parts[0] not in (*COLLECTIONS, "unified_job_templates"):
            return 404, {}
        if len(parts) == 1:
            return self._list(parts[0], query) if method == "GET" else self._make(parts[0], body)
        thing = self.things[parts[0]][int(parts[1])]
        if len(parts) == 2:
            return self._one(method, parts[0], thing, body)
        return self._below(method, thing, parts[2], body)

    def _list(self, collection: str, query: Json) -> tuple[int, Json]:
        names = TEMPLATES if collection == "unified_job_templates" else (collection,)
        found = [
            shown(self, thing)
            for name in names
            for thing in self.things[name].values()
            if all(str(thing.get(field)) == value for field, value in query.items())
        ]
        return 200, {"count": len(found), "next": None, "results": found}

    def _make(self, collection: str, body: Json) -> tuple[int, Json]:
        check(self, collection, body)
        return 201, shown(self, self.add(collection, **body))

    def _one(self, method: str, collection: str, thing: Json, body: Json) -> tuple[int, Json]:
        if method == "PATCH":
            check(self, collection, thing | body)
            thing.update(body)
        elif method == "DELETE":
            del self.things[collection][thing["id"]]
            return 204, {}
        return 200, shown(self, thing)

    def _below(self, method: str, thing: Json, what: str, body: Json) -> tuple[int, Json]:
        if what == "survey_spec":
            if method == "POST":
                check_survey(body)
                self.surveys[thing["url"]] = body
            return 200, self.surveys.get(thing["url"], {})
        if what == "create_approval_template":
            made = self.add("workflow_approval_templates", **body)
            thing["unified_job_template"] = made["id"]
            thing["related"]["unified_job_template"] = made["url"]
            return 201, made
        links = self.links.setdefault(f"{thing['url']}{what}/", [])
        if method == "GET":
            return 200, {"count": len(links), "next": None, "results": [{"id": number} for number in links]}
        (links.remove if body.get("disassociate") else links.append)(body["id"])
        return 204, {}


def shown(controller: Controller, thing: Json) -> Json:
    """Return a thing as it is shown: without the secrets of a credential."""
    if thing["type"] != "credential":
        return thing
    fields = controller.things["credential_types"][thing["credential_type"]].get("inputs", {}).get("fields", [])
    secret = {field["id"] for field in fields if field.get("secret")}
    inputs = {name: "$encrypted$" if name in secret else value for name, value in thing.get("inputs", {}).items()}
    return thing | {"inputs": inputs}


def check(controller: Controller, collection: str, thing: Json) -> None:
    """Refuse what AWX does."""
    if collection == "credential_types":
        inputs = {field["id"] for field in thing["inputs"]["fields"]}
        used = set(re.findall(r"{{ *(\w+) *}}", json.dumps(thing["injectors"])))
        if not used or used - inputs:
            raise Refused(f"injectors use {used}, inputs are {inputs}")
    if collection == "credentials":
        inputs = controller.things["credential_types"][thing["credential_type"]]["inputs"]
        if set(inputs["required"]) - set(thing["inputs"]) or not all(thing["inputs"].values()):
            raise Refused("a required input is missing or empty")
    if collection == "schedules" and not RULE.fullmatch(thing["rrule"]):
        raise Refused(f"no rule: {thing['rrule']}")
    if collection in ("schedules", "workflow_job_template_nodes") and thing.get("extra_data"):
        check_answers(controller, thing)


def check_answers(controller: Controller, thing: Json) -> None:
    """Refuse answers to what is not asked, and answers that are not among the choices."""
    everything = {number: other for name in TEMPLATES for number, other in controller.things[name].items()}
    questions = controller.survey(everything[thing["unified_job_template"]])
    for variable, value in thing["extra_data"].items():
        question = questions.get(variable)
        if question is None or (question["type"] == "multiplechoice" and value not in question["choices"]):
            raise Refused(f"{variable}={value} is not asked for")


def check_survey(survey: Json) -> None:
    """Refuse a survey that AWX does not take."""
    if not {"name", "description", "spec"} <= set(survey) or not survey["spec"]:
        raise Refused("no survey")
    for question in survey["spec"]:
        default = question.get("default", "")
        if not {"type", "question_name", "variable", "required"} <= set(question) or question["type"] not in QUESTIONS:
            raise Refused(f"no question: {question}")
        if default != "" and not isinstance(default, QUESTIONS[question["type"]]):
            raise Refused(f"{default} is no {question['type']}")
        if question["type"] == "multiplechoice" and default and default not in question["choices"]:
            raise Refused(f"{default} is none of {question['choices']}")


@contextlib.contextmanager
def serving(controller: Controller) -> Iterator[str]:
    """Serve a controller and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            status, found = 401, Json()
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                with controller.lock:
                    try:
                        query, body = dict(parse_qsl(address.query)), json.loads(sent or b"{}")
                        status, found = controller.answer(self.command, address.path, query, body)
                    except Refused as refused:
                        status, found = 400, {"__all__": [str(refused)]}
            data = b"" if status == 204 else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = do_any  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
