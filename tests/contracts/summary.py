"""The end of a test run: the ledgers of all processes are put together, said, and held against the simulator's operations.

pytest's hooks; tests/conftest.py takes them over. With pytest-xdist each worker hands its ledger to the controller.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts import coverage
from tests.contracts.ledger import LEDGER

_LEDGER, _WHOLE = "contracts", "whole_simulator"


class Selection:
    """Whether this run has all tests of the simulator."""

    whole = False

    @classmethod
    def problems(cls, failed: bool) -> list[str]:
        """What is said of operations that nobody asked for; nothing where tests are missing or failed."""
        if not cls.whole or failed:
            return []
        found = [
            f"{name}: no test of {coverage.FOLDER} asks for it"
            for name in coverage.never_asked(LEDGER.routes, LEDGER.exchanged)
        ]
        excuses = coverage.superfluous_excuses(LEDGER.routes, LEDGER.exchanged)
        return found + [f"{name}: it is excused in vain (tests/contracts/coverage.py)" for name in excuses]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See which tests there are."""
    Selection.whole = coverage.is_whole((item.path for item in items), config.rootpath)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """A run that leaves out some of the simulator's tests cannot tell what none of them asks for."""
    if any(item.nodeid.startswith(coverage.FOLDER) for item in items):
        Selection.whole = False


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what it has; the one that sums up fails the run where an operation was never asked for."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_LEDGER], output[_WHOLE] = LEDGER.as_json(), Selection.whole
    elif Selection.problems(session.testsfailed > 0):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over a worker's ledger."""
    output = getattr(node, "workeroutput", {})
    if _LEDGER in output:
        LEDGER.add(output[_LEDGER])
        Selection.whole = output[_WHOLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it."""
    failed = bool(terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"))
    for line in LEDGER.summary():
        terminalreporter.write_line(line)
    for line in Selection.problems(failed):
        terminalreporter.write_line(f"contracts: {line}", red=True)
