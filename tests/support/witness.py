"""What went through the doors of an in-process simulator, judged by Microsoft's OpenAPI files as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterable

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.recording import arrives, exchange
from slurm_azure.simulator.routes import Route
from tests.contracts import ledger


class Witness:
    """A simulator's recorder that keeps what the judge says, not the exchanges: a test may make thousands.

    All answers are judged, and requests of the product and of the SDK; what a test sends by hand is often wrong on purpose.
    """

    def __init__(self, requests: bool = True, book: ledger.Ledger = ledger.LEDGER) -> None:
        """`requests`: whether requests are judged at all; `book` is where all that was seen goes in the end."""
        self._page = ledger.Page(os.environ.get("PYTEST_CURRENT_TEST", ""))
        self._requests = requests
        self._book = book
        self._failure: Exception | None = None

    def add(self, call: Call, reply: Reply) -> None:
        """Judge a request and its answer. Whatever goes wrong here is told by `tell`, not to the simulator's caller."""
        if not arrives(reply):
            return
        try:
            self._page.add(exchange(call, reply), self._requests)
        except Exception as failure:
            self._failure = failure

    def knows(self, routes: Iterable[Route]) -> None:
        """The operations that the simulator has."""
        self._page.routes |= {route.operation for route in routes}

    def close(self) -> None:
        """Nothing to close."""

    def tell(self) -> None:
        """Add what was seen to the ledger of the whole run; raises AssertionError where something is not as it should be."""
        if self._failure is not None:
            raise self._failure
        self._book.close(self._page)
