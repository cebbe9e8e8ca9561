"""Which servers this version was tested with: by the suite, end to end (docs/fidelity.md says with which builds of them)."""

from __future__ import annotations

from backup_agent import TESTED_SERVER_MAJORS


def warnings(version: str | None) -> tuple[str, ...]:
    """Return what to tell an operator whose source runs this version: nothing when its major version was tested."""
    if version is None or ".".join(version.split(".")[:2]) in TESTED_SERVER_MAJORS:
        return ()
    text = (
        f"the source runs MongoDB {version}, which this version of the agent was not tested with (tested: "
        f"{', '.join(TESTED_SERVER_MAJORS)}); unknown entries stop the job and are named, see docs/fidelity.md"
    )
    return (text,)
