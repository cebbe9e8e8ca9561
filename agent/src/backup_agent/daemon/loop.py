"""The daemon: a lock, signals, one loop. What is done in it is `job.Job.cycle`."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import time
from types import FrameType

import structlog
from structlog.typing import EventDict, Processor

from backup_agent import __version__
from backup_agent.config import Config
from backup_agent.daemon import leftovers
from backup_agent.daemon.job import Job
from backup_agent.errors import AgentError, Refused
from backup_agent.raw.memory import return_what_is_freed
from backup_agent.state.store import Store
from backup_agent.values import printable
from backup_agent.words import traced, words

log = structlog.get_logger(__name__)

FAILURE_SECONDS = 5.0
LOCK_SECONDS = 0.5
"""A command that checks whether a daemon runs holds the lock for a moment. This must not keep a daemon from starting."""


def configure_logging(config: Config) -> None:
    """Log events to standard error: readable on a terminal, JSON otherwise; every line names the job."""
    if sys.stderr.isatty():
        renderers: tuple[Processor, ...] = (shown, structlog.dev.ConsoleRenderer())
    else:
        renderers = (structlog.processors.JSONRenderer(),)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.ExceptionRenderer(traced),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(job=config.job)


def shown(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Return an event as it may be shown on a terminal: names of the source are in it."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}


def hold_lock(config: Config) -> int:
    """Take the job's lock for the life of this process. Raises Refused when another daemon has it."""
    config.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(config.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise Refused(
                    f"expected no other daemon of job {config.job}, found one that holds {config.lock_file}"
                ) from error
        time.sleep(0.01)


def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    return_what_is_freed()
    configure_logging(config)
    lock = hold_lock(config)
    leftovers.clear(config)
    store = Store(config.state_file)
    job = Job(config, store)

    def stop(_number: int, _frame: FrameType | None) -> None:
        job.halt.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("started", version=__version__, pid=os.getpid())
    try:
        _loop(job)
    finally:
        job.close()
        store.close()
        os.close(lock)
        log.info("stopped")


def _loop(job: Job) -> None:
    said = ""
    while not job.halt.is_set():
        pause = 0.0
        try:
            job.rest()
            sentence = job.cycle()
        except AgentError as error:
            sentence, pause = error.message, FAILURE_SECONDS
        except Exception as error:  # an error that nobody foresaw must not end the daemon: it is logged
            log.exception("cycle failed")
            sentence, pause = f"unexpected: {words(error)}", FAILURE_SECONDS
        kind = sentence.split(":", 1)[0]
        if kind != said:
            log.info("cycle", sentence=sentence)
            said = kind
        job.halt.wait(pause)
