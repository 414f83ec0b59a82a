"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

from tests.contracts.summary import (
    pytest_collection_modifyitems,
    pytest_deselected,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_deselected",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

# A machine with other work to do is slow now and then; that is no property of the code. `timeout` bounds what hangs.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
