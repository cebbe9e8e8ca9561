"""Whatever is done to a source, and whenever its agent is killed: the head ends equal.

BACKUP_PROPERTY_SECONDS says for how long programs are run (30). Each program has a seed of its own, which is printed and counts
up; BACKUP_PROPERTY_SEED runs the program of that seed and no other. BACKUP_PROPERTY_SHRINK=1 looks for the smallest part of a
program that fails (hypothesis would, but with hundreds of attempts, each of which takes seconds here).
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from harness import Agent, an_agent, assert_equal, wait_until
from hold import Hold
from performing import Performer
from programs import Program, Step, program_of
from reducing import reduced

from lab import Member, ReplicaSet

SECONDS = float(os.environ.get("BACKUP_PROPERTY_SECONDS", "10"))
GIVEN_SEED = os.environ.get("BACKUP_PROPERTY_SEED")
SHRINK = os.environ.get("BACKUP_PROPERTY_SHRINK") == "1"
MOST_RESYNCS = 2
"""Later ones are left out, though not what is done during them: a program should not take minutes."""
PARAMETERS = {
    "enableTestCommands": 1,
    "ttlMonitorEnabled": False,
    "maxNumberOfTransactionOperationsInSingleOplogEntry": 4,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set on which transactions can be prepared by command, and soon take several entries."""
    members = [Member(priority=2), Member(priority=0)]
    where = tmp_path_factory.mktemp("property")
    with ReplicaSet("rs0", members, oplog_mb=512, directory=where, set_parameters=PARAMETERS) as replica_set:
        yield replica_set


class Run:
    """One program on one source with an agent of its own."""

    def __init__(self, replica_set: ReplicaSet, performer: Performer, agent: Agent, directory: Path) -> None:
        self._set, self._performer, self._agent = replica_set, performer, agent
        self._hold = Hold(directory)
        self.acted: Counter[str] = Counter()
        """How often the agent was restarted, killed, resynced, compared."""

    def run(self, program: Program) -> int:
        """Do everything; returns how many collections and views were compared at the end."""
        self._performer.clear()
        self._all(program.before)
        self._start()
        self._hold.wait()
        self._all(program.during)
        self._hold.release()
        if program.patient:
            self._agent.wait_operation()
        self._all(program.after)
        self._agent.wait_operation()
        return len(self._compared())

    def _all(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            act = getattr(self, f"_{step.do}", None)
            if act is None:
                self._performer.perform(step)
            else:
                act(**step.given)

    def _start(self) -> None:
        self._agent.start(copy_collection_done=self._hold.action)

    def _terminate(self) -> None:
        self.acted["terminate"] += 1
        self._hold.release()  # an agent that is told to stop first ends the step that it is at
        self._agent.stop()
        self._start()

    def _kill(self) -> None:
        self.acted["kill"] += 1
        self._agent.kill()
        self._start()

    def _resync(self, during: tuple[Step, ...]) -> None:
        if self.acted["resync"] == MOST_RESYNCS:
            self._all(during)
            return
        self.acted["resync"] += 1
        self._agent.wait_operation()
        wait_until("the agent is up again", lambda: self._agent.status()["agent"]["alive"])
        self._hold.close()
        code, answer = self._agent.call("resync", "--owner", "tests", "--policy", "always")
        assert code == 0, answer
        self._hold.wait()
        self._all(during)
        self._hold.release()
        self._agent.wait_operation()

    def _compare(self) -> None:
        self.acted["compare"] += 1
        self._agent.wait_operation()
        self._compared()

    def _compared(self) -> Mapping[str, object]:
        """Compare with the secondary: of a field that a document holds twice, a primary changes the first alone."""
        return assert_equal(self._agent, self._set, member=1)


class Report:
    """What all programs did together, and which failed."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.failed: list[str] = []

    def check(self, replica_set: ReplicaSet, program: Program, directory: Path, name: str) -> None:
        """Run a program and print what it did; its steps too, when it fails. Raises AssertionError."""
        began = time.monotonic()
        with replica_set.client(w=1) as client, an_agent(directory, replica_set, copy_threads=1) as agent:
            performer = Performer(client)
            run = Run(replica_set, performer, agent, directory)
            try:
                compared = run.run(program)
            except BaseException as error:
                again = f"again: BACKUP_PROPERTY_SEED={name} bin/test property"
                print(f"FAILED: {name}\n{str(error)[:6000]}\n{again}\n{program}", flush=True)
                raise
        done, refused, acted = sum(performer.done.values()), sum(performer.refused.values()), dict(run.acted)
        what = f"{done} steps done, {refused} refused, {acted}, {compared} collections equal"
        print(f"{name}: {what}, {time.monotonic() - began:.1f} s", flush=True)
        self.totals.update({f"{kind} done": number for kind, number in performer.done.items()})
        self.totals.update({f"{kind} refused": number for kind, number in performer.refused.items()})
        self.totals.update({**run.acted, "programs": 1, "collections": compared})

    def attempt(self, replica_set: ReplicaSet, number: int, where: Path) -> None:
        """Run the program of a seed; a failure is noted, so that one run shows every program that fails."""
        try:
            self.check(replica_set, program_of(number), where / str(number), str(number))
        except AssertionError as error:
            self.failed.append(f"{number}: {str(error)[:6000]}")
            if SHRINK:
                self._reduce(replica_set, number, where)

    def _reduce(self, replica_set: ReplicaSet, number: int, where: Path) -> None:
        attempts = itertools.count(1)

        def fails(candidate: Program) -> bool:
            try:
                self.check(replica_set, candidate, where / f"{number}-{next(attempts)}", f"part of {number}")
            except AssertionError:
                return True
            return False

        print(f"the smallest part of {number} that fails:\n{reduced(program_of(number), fails)}", flush=True)


def test_every_program_is_replayed_exactly(written: ReplicaSet, tmp_path: Path) -> None:
    """Programs drawn by hypothesis, run while the agent copies, tails, restarts and resyncs, end in equal copies."""
    first = int(GIVEN_SEED) if GIVEN_SEED else random.randrange(10**9)
    print(f"\nseed {first}, {'its program only' if GIVEN_SEED else f'{SECONDS:.0f} s'}")
    report = Report()
    began, number, usual = time.monotonic(), first, 0.0
    while number == first or (not GIVEN_SEED and time.monotonic() - began + usual < SECONDS):
        report.attempt(written, number, tmp_path)
        number += 1
        usual = (time.monotonic() - began) / (number - first)
    print(", ".join(f"{name}: {count}" for name, count in sorted(report.totals.items())))
    assert not report.failed, "\n\n".join(report.failed)
    assert report.totals["collections"] > 0


def test_a_seed_gives_the_same_program() -> None:
    """What is printed of a program that failed is enough to see it fail again, in a process with other modules too."""
    number = 20_260_101
    where = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {where!r}); import programs; print(programs.program_of({number}))"
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"{program_of(number)}\n" == alone
    assert program_of(number) != program_of(number + 1)


def test_a_program_is_reduced_to_what_fails() -> None:
    """Of a program that fails because of two of its steps, in their order, these two are left."""
    wanted = [Step("drop", {"ns": ("p0", "a")}), Step("kill")]
    drawn = program_of(20_260_103)
    steps = (*drawn.during[:4], wanted[0], *drawn.during[4:])
    program = replace(drawn, during=steps, after=(*drawn.after, wanted[1]))
    tried: list[Program] = []

    def fails(candidate: Program) -> bool:
        tried.append(candidate)
        return wanted[0] in candidate.during and wanted[1] in candidate.after[-1:]

    found = reduced(program, fails)
    assert ((), (wanted[0],), (wanted[1],)) == (found.before, found.during, found.after)
    assert len(tried) < 60
