"""What the demo has proven, taken from the operation's own result, and what is missing from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.demo.screen import fact


@dataclass(frozen=True)
class Evidence:
    """Everything the proof is made of."""

    operation: dict[str, Any]
    status: dict[str, Any]
    primary: str
    writes_before: dict[str, Any]
    writes_after: dict[str, Any]
    report: str | None = None
    result: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "result", self.operation.get("result") or {})

    @property
    def validation(self) -> dict[str, Any]:
        return self.result.get("validation") or {}

    @property
    def proof(self) -> dict[str, Any]:
        return self.result.get("proof") or {}

    @property
    def sources(self) -> list[str]:
        return list(self.result.get("sources") or filter(None, [self.result.get("source")]))

    @property
    def writes(self) -> int:
        return int(self.writes_after.get("operations", 0)) - int(self.writes_before.get("operations", 0))


def problems(evidence: Evidence) -> list[str]:
    """Return what keeps the demo from having shown what it promises; empty when it has."""
    checks = {
        f"the operation is {evidence.operation.get('state')}, not done": evidence.operation.get("state") == "done",
        "no source is named": bool(evidence.sources),
        f"the primary {evidence.primary} was read": evidence.primary not in evidence.sources,
        "nothing was copied": bool(evidence.result.get("documents_copied")),
        "no collection was compared": _number(evidence.validation.get("compared")) > 0,
        "backup and source differ": evidence.validation.get("equal") is True,
        "no collection of the snapshot was compared": _number(evidence.proof.get("collections")) > 0,
        "the restored snapshot differs": evidence.proof.get("equal") is True,
        "the writer did not write meanwhile": evidence.writes > 0,
        "the alert is still open": not evidence.status.get("alerts"),
        f"the job is {evidence.status.get('state')}, not tailing": evidence.status.get("state") == "tailing",
        "snapshots are still paused": not evidence.status.get("snapshots_paused"),
    }
    return [problem for problem, good in checks.items() if not good]


def lines(evidence: Evidence) -> list[str]:
    """Return the block that is printed at the end."""
    sources, result = ", ".join(evidence.sources), evidence.result
    pause = evidence.writes_after.get("longest_pause_seconds", 0)
    copied = f"{_number(result.get('documents_copied')):,} documents, {_megabytes(result.get('bytes_copied'))}"
    return [
        fact("read from", f"{sources}, a secondary; the primary {evidence.primary} was not read"),
        fact("copied", copied),
        fact("compared", _compared(evidence.validation)),
        fact("meanwhile", f"the writer did {evidence.writes:,} writes; its longest pause was {pause} s"),
        fact("new snapshot", _snapshot(result.get("snapshot"), evidence.proof)),
        fact("report", evidence.report or str(result.get("report"))),
    ]


def _compared(validation: dict[str, Any]) -> str:
    collections = validation.get("collections") or []
    width = max((len(str(one.get("namespace"))) for one in collections), default=0)
    verdict = "all equal" if validation.get("equal") else "NOT EQUAL"
    text = [f"{len(collections)} collections, {verdict}, level {validation.get('level')}, each while writes went on:"]
    for one in collections:
        optimes = [span.get("optime") for span in one.get("ranges") or []]
        name, count = str(one.get("namespace")), _number(one.get("documents"))
        text.append(f"{name:<{width}}  {count:>9,} documents  {_same(one)} at {_span(optimes)}")
    return "\n".join(text)


def _same(collection: dict[str, Any]) -> str:
    return (
        "equal" if collection.get("equal") else "DIFFERENT: " + "; ".join(map(str, collection.get("differences") or []))
    )


def _span(optimes: list[Any]) -> str:
    """Name the optimes at which the ranges of a collection were compared."""
    known = [_optime(one) for one in optimes if one]
    if not known:
        return "no optime"
    return known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]} ({len(known)} ranges)"


def _optime(optime: dict[str, Any]) -> str:
    return f"{optime.get('iso', optime.get('time'))},{optime.get('increment')}"


def _snapshot(snapshot: Any, proof: dict[str, Any]) -> str:
    known = snapshot if isinstance(snapshot, dict) else {"name": snapshot or proof.get("snapshot")}
    optime = known.get("optime")
    at = f" at {_optime(optime)}" if isinstance(optime, dict) else ""
    verdict = "equal" if proof.get("equal") else "NOT EQUAL"
    restored = f"{_number(proof.get('collections'))} collections, {_number(proof.get('documents')):,} documents"
    return f"{known.get('name')}{at}\nrestored into a scratch mongod: {restored}, {verdict}"


def _number(value: Any) -> int:
    """Read a count; where a list is given, it is counted."""
    return len(value) if isinstance(value, list | dict) else int(value or 0)


def _megabytes(value: Any) -> str:
    return f"{_number(value) / 1e6:.1f} MB"
