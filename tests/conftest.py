"""Rules for every test of this repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ALLOWED_SKIPS = Path(__file__).parent / "allowed-skips.txt"


def allowed_skips(text: str) -> frozenset[str]:
    """Return the node ids in the allow-file."""
    stripped = (line.strip() for line in text.splitlines())
    return frozenset(line for line in stripped if line and not line.startswith("#"))


class NoSilentSkips:
    """Fails the run when a test was skipped that is not in the allow-file: a skipped test proves nothing."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._unexpected: list[str] = []

    def _note(self, report: Any) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and report.nodeid not in self._allowed:
            self._unexpected.append(report.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for nodeid in self._unexpected:
            terminalreporter.write_line(f"not allowed to be skipped (tests/allowed-skips.txt): {nodeid}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NoSilentSkips(allowed_skips(ALLOWED_SKIPS.read_text())), "no-silent-skips")


@pytest.fixture(scope="module", autouse=True)
def _leave_no_data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the directories of a module in which nothing failed: all replica sets of a run together take some 20 GB."""
    directory = tmp_path_factory.getbasetemp()
    before, failed = set(directory.iterdir()), request.session.testsfailed
    yield
    if request.session.testsfailed == failed:
        for made in set(directory.iterdir()) - before:
            shutil.rmtree(made, ignore_errors=True)
