"""Faults in force for a test: put there and counted over the control endpoint, as anyone would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

T = TypeVar("T")


def control(azure: SimulatedAzure, method: str, path: str, body: Any = None) -> Answer:
    """One request to the control endpoint."""
    return ask(str(azure.endpoints.control), method, path, body)


def put(azure: SimulatedAzure, *faults: Any) -> None:
    """Let these faults be in force, and no others."""
    answer = control(azure, "PUT", "/faults", list(faults))
    assert answer.status == 200, answer.body


def fault(azure: SimulatedAzure, name: str = "fault-1") -> dict[str, Any]:
    """A fault with its counters."""
    found: dict[str, Any] = control(azure, "GET", f"/faults/{name}").body
    return found


def hits(azure: SimulatedAzure, name: str = "fault-1") -> int:
    """How often a fault has hit."""
    return int(fault(azure, name)["hits"])


def create(azure: SimulatedAzure, name: str = "vm-1", node: str | None = None, **changes: Any) -> Answer:
    """A create call; `changes` as for vm_body."""
    return arm(azure, "PUT", vm_path(azure, name), vm_body(azure, node or name, **changes))


def body(azure: SimulatedAzure, **changes: Any) -> Any:
    """A good create call's body, for the SDK, which takes plain JSON although its types do not say so."""
    return vm_body(azure, **changes)


def last_request(azure: SimulatedAzure, operation: str = "*") -> dict[str, Any]:
    """The journal's last entry of an operation."""
    found: dict[str, Any] = azure.control(f"/requests?recent=1&operation={operation}")["recent"][-1]
    return found


@contextmanager
def at_the_same_time() -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Start work beside the test: what is handed in runs in a thread, and its future is handed back."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit
