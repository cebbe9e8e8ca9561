"""Which servers this version was tested with: by the suite, end to end (docs/fidelity.md says with which builds of them)."""

from __future__ import annotations

from backup_agent import TESTED_SERVER_MAJORS


def warning(version: str) -> str | None:
    """Return what to tell an operator whose source runs this version, or None when its major version was tested."""
    major = ".".join(version.split(".")[:2])
    if major in TESTED_SERVER_MAJORS:
        return None
    return (
        f"the source runs MongoDB {version}, which this version of the agent was not tested with (tested: "
        f"{', '.join(TESTED_SERVER_MAJORS)}); unknown entries stop the job and are named, see docs/fidelity.md"
    )
