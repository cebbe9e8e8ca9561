"""The bound on large pieces: in the order of asking, together below the limit, one alone of any size."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from backup_agent.raw.memory import Bound


def entering(bound: Bound, size: int) -> tuple[threading.Event, threading.Event, threading.Thread]:
    """Ask for a piece in a thread; returns what is set once it is held, what to set to let go of it, and the thread."""
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with bound.piece(size):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    return inside, leave, thread


def test_pieces_are_held_together_below_the_limit() -> None:
    """Two small ones are held at once; a third that would be too much waits until one has gone."""
    bound = Bound(10)
    with ExitStack() as held:
        held.enter_context(bound.piece(4))
        held.enter_context(bound.piece(6))
        inside, leave, thread = entering(bound, 1)
        assert not inside.wait(0.1)
    assert inside.wait(10)
    leave.set()
    thread.join()


def test_a_piece_above_the_limit_is_held_alone() -> None:
    """A piece larger than the limit is let in when nothing else is held, and those that ask after it wait for it."""
    bound = Bound(10)
    first, let_go, one = entering(bound, 5)
    assert first.wait(10)
    large, drop, two = entering(bound, 50)
    assert not large.wait(0.1)
    small, leave, three = entering(bound, 1)  # there would be room beside the first, but the large one asked before
    assert not small.wait(0.1)
    let_go.set()
    assert large.wait(10)
    assert not small.wait(0.1)
    drop.set()
    assert small.wait(10)
    leave.set()
    for thread in (one, two, three):
        thread.join()


def test_nobody_waits_for_ever() -> None:
    """A piece whose holder is stuck (a member fell silent) delays the next one, and does not stop it."""
    bound = Bound(10, patience=0.1)
    with bound.piece(10):
        inside, leave, thread = entering(bound, 10)
        assert inside.wait(10)
    leave.set()
    thread.join()
