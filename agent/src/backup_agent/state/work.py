"""What a long piece of work (a step of an operation) is given by the daemon.

Everything that touches the head runs in one thread, so nothing is applied behind a step's back: the head stands still between
two calls of `apply_some` or `pause_at_latest`.
"""

from __future__ import annotations

from typing import Any, Protocol

from backup_agent.config import Config
from backup_agent.head import Mongod
from backup_agent.source.connections import SourceSet
from backup_agent.state.store import Store
from backup_agent.times import OpTime


class Work(Protocol):
    """The daemon as a step sees it."""

    config: Config
    store: Store
    sources: SourceSet

    @property
    def generation(self) -> int:
        """The number of the generation that is worked on."""

    @property
    def head(self) -> Mongod:
        """The running head of that generation."""

    def applied(self) -> OpTime | None:
        """Return the optime up to which that head has been written, or None before the first batch."""

    def use_current(self) -> None:
        """Make sure that the current generation runs. Raises OperationFailed when the job has none or is stopped."""

    def use_generation(self, number: int) -> None:
        """Work on this generation from now on: what runs of another one is stopped, the head is started."""

    def stop_runtime(self) -> None:
        """Stop capture and the head."""

    def remove_retired(self) -> None:
        """Delete the files of generations that are no longer needed."""

    def begin_beside(self) -> None:
        """Let the current generation run beside a step that does not need it, if it can."""

    def go_on_beside(self) -> None:
        """Apply a batch where the current generation runs; its troubles are not the step's.

        Raises Canceled or Shutdown when the step must end.
        """

    def source_member(self) -> str:
        """Return the secondary that the agent reads from; chooses another when it is no longer fit. Raises Transient."""

    def pause_at_latest(self) -> OpTime:
        """Apply what has been captured and return the optime at which the head now stands.

        That optime is majority-committed and lies between two transactions, with no prepared transaction open.
        """

    def apply_some(self) -> None:
        """Apply at most one batch, and look after the daemon's other duties; cheap when there is nothing to do."""

    def tick(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Report progress (cheap: written at most once a second). Raises Canceled or Shutdown when the step must end."""

    def alive(self) -> None:
        """Raise Canceled or Shutdown when the step must end; to be called in every loop that may last."""

    def note(self, **result: Any) -> None:
        """Add fields to the operation's result."""
