"""Writes down what an operator sees of a resync, one run of the playbook for each method, into docs/transcripts.

Run it from the root of the repository, in the environment of the tests: `python -m tests.ops_manager.transcripts`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.ops_manager.office import Office, waits_for_the_button
from tests.integration.ops_manager.persons import press_button, until
from tests.integration.site import ROOT
from tests.ops_manager import Emulator, Timing

DIRECTORY = ROOT / "docs/transcripts"
TIMING = Timing(patch=0.5, terminate=3, sync=3, snapshot=3)
HEADING = """{title}
Written by `python -m tests.ops_manager.transcripts` against the emulator in tests/ops_manager, never against a live installation.
"""
CONFIRMED = ("-e", "backup_confirm=yes")
NOISE = re.compile(r"^(skipping: .*|\[WARNING\].*)$")
QUIET_TASKS = (
    "Validating arguments",
    "Check that",
    "Put the jobs",
    "Line up",
    "Show the batches",
    "Stop here",
    "Note ",
    "Judge",
)


class Stage:
    """One backup that has fallen out of sync, and what was printed so far."""

    def __init__(self, om: Emulator, directory: Path, method: str) -> None:
        self.om, self._directory = om, directory
        self.cluster = om.add_replica_set("orders")
        self.snapshot = om.add_snapshot(self.cluster)
        om.raise_alert("RESYNC_REQUIRED", self.cluster)
        self.office = Office(directory, backup_confirm_snapshot_loss=True, backup_reason="alert of Monday night")
        self.office.add("orders", om, method)
        self.printed: list[str] = []

    def run(self, playbook: str, *arguments: str) -> str:
        """Run a playbook, which may fail, and keep the command and its output."""
        command = self.office.command(playbook, *arguments)[:-2]
        process = self.office.start(playbook, *arguments)
        printed, _ = process.communicate(timeout=300)
        shown = " ".join(command).replace(str(self.office.inventory), "inventory.yml")
        self.printed += [f"$ {shown}", self._short(printed), f"$ echo $?\n{process.returncode}\n"]
        return printed

    def tell(self, what: str) -> None:
        """Write down what happens outside of the playbooks."""
        self.printed.append(f"# {what}\n")

    def _placeless(self, printed: str) -> str:
        places = {f"{ROOT}/": "", str(self._directory): "/home/alice", self.om.url: "https://ops.example.com"}
        for place, instead in places.items():
            printed = printed.replace(place, instead)
        return printed

    def _short(self, printed: str) -> str:
        tasks = re.split(r"\n(?=TASK |PLAY )", self._placeless(printed.strip()))
        kept = [_short_task(task) for task in tasks]
        return re.sub(r"\*{4,}", "***", "\n\n".join(task for task in kept if task)) + "\n"


def _short_task(task: str) -> str:
    """Return the informative lines of a task; nothing for a task that only checks or was skipped."""
    title, _, rest = task.partition("\n")
    lines = [line for line in rest.splitlines() if line.strip() and not NOISE.match(line)]
    if any(line.startswith("fatal: ") for line in lines):
        # The whole result, and where the task is written, follow; what an operator reads is in the task that says what to do.
        lines = [line for line in lines if not re.match(r"\s|\d|Origin:", line)]
    if title.startswith("TASK") and (
        not lines or any(f": {quiet}" in title or f"[{quiet}" in title for quiet in QUIET_TASKS)
    ):
        return ""
    return "\n".join([title, *lines])


def hand_off(stage: Stage) -> None:
    """A person presses the button while the playbook waits."""
    with ThreadPoolExecutor() as persons:
        person = persons.submit(_press, stage)
        stage.run("resync", *CONFIRMED)
        person.result()


def _press(stage: Stage) -> None:
    until(lambda: waits_for_the_button(stage.om), "a resync waits for the button")
    moment = len(stage.om.requests)
    # Wait until the next tasks have asked, so that their messages while they wait are in the transcript.
    until(lambda: len(stage.om.requests) > moment + 40, "it has waited for a while")
    press_button(stage.om, stage.cluster)


def straight(stage: Stage) -> None:
    """Nothing comes in between."""
    stage.run("resync", *CONFIRMED)


def api_dies(stage: Stage) -> None:
    """The API dies when the backup is to be started again. One resync goes on afterwards, and one is canceled."""
    stage.tell("Here the API dies: the request that starts the backup again is the last that it gets.")
    stage.om.die_at("PATCH", "/backupConfigs", skip=1)
    stage.run("resync", *CONFIRMED)
    stage.om.revive()
    stage.tell("The API is back. The printed command goes on with it:")
    stage.run("resync", "--limit", "orders", *CONFIRMED)
    stage.om.raise_alert("RESYNC_REQUIRED", stage.cluster)
    stage.tell("Another time, and now it is given up:")
    stage.om.die_at("PATCH", "/backupConfigs", skip=1)
    printed = stage.run("resync", *CONFIRMED)
    stage.om.revive()
    operation = re.findall(r"backup_operation=(resync-\S+)", printed)[-1]
    stage.run("cancel_resync", "--limit", "orders", "-e", f"backup_operation={operation}")


SCENES: dict[str, tuple[str, str, Callable[[Stage], None]]] = {
    "hand_off": ("A resync by hand: somebody presses the button, with a second factor", "hand_off", hand_off),
    "restart": ("A resync by stopping the backup and starting it again", "restart", straight),
    "terminate": ("A resync by terminating the backup, which loses its snapshots", "terminate", straight),
    "api-dies": ("The API dies in the middle of a resync", "restart", api_dies),
}


def write(name: str) -> None:
    """Play one scene and write down what was printed."""
    title, method, play = SCENES[name]
    with Emulator(TIMING) as om, tempfile.TemporaryDirectory() as directory:
        stage = Stage(om, Path(directory), method)
        play(stage)
    text = "\n".join([HEADING.format(title=title), *stage.printed])
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"ops-manager-{name}.txt").write_text(text)


if __name__ == "__main__":
    for scene in sys.argv[1:] or SCENES:
        write(scene)
    subprocess.run(["git", "--no-pager", "diff", "--stat", str(DIRECTORY)], cwd=ROOT, check=False)
