"""The end of a test run: the ledgers of all processes are put together, and what they say is printed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ledger import LEDGER

_KEY = "contracts"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist hands its ledger to the one that sums up."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = LEDGER.as_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The one that sums up takes it."""
    found = getattr(node, "workeroutput", {}).get(_KEY)
    if found is not None:
        LEDGER.add(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it."""
    for line in LEDGER.summary():
        terminalreporter.write_line(line)
