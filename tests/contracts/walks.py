"""Walks through the unmodified SDK: one test, run with the synchronous and with the asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from azure.core.exceptions import HttpResponseError

from tests.contracts.drivers import compute, outcome
from tests.support.simulated_azure import SimulatedAzure, vm_body

Walk = Callable[[Any, SimulatedAzure], Awaitable[None]]
Drive = Callable[[Walk], None]


def driver(azure: SimulatedAzure, kind: str) -> Drive:
    """What runs a walk with a client of that kind."""

    def run(walk: Walk) -> None:
        async def walked() -> None:
            async with compute(azure, kind) as client:
                await walk(client, azure)

        asyncio.run(walked())

    return run


async def made(client: Any, azure: SimulatedAzure, name: str = "vm1", **changes: Any) -> Any:
    """A VM that has been created, poller and all; `changes` as those of `vm_body`."""
    body = vm_body(azure, computer_name=name, **changes)
    return await outcome(client.virtual_machines.begin_create_or_update(azure.resource_group, name, body))


async def refused(call: Callable[[], Any]) -> tuple[int | None, str]:
    """The status and code of the error that a call ends with."""
    try:
        await outcome(call())
    except HttpResponseError as error:
        return error.status_code, str(error.error.code if error.error else None)
    raise AssertionError("the call was not refused")


def power(view: Any) -> str:
    """The power state of an instance view."""
    found = [str(status.code) for status in view.statuses if status.code.startswith("PowerState/")]
    assert len(found) == 1, f"one power state was expected: {found}"
    return found[0].removeprefix("PowerState/")
