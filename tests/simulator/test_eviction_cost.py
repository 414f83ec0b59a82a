"""What it costs to evict hundreds of VMs at once: no round of the event loop is long, whoever hears of it."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.world import World
from tests.simulator.faulty import control
from tests.simulator.raw import arm, vm_path
from tests.support.processes import until
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body

LONGEST = 0.1  # seconds of CPU time that a round of the event loop may take


def world(azure: SimulatedAzure) -> World:
    found = azure.simulator._provisioning
    assert found is not None
    return found._world


def shown(azure: SimulatedAzure, number: int, version: str = "2020-07-01") -> bytes:
    """What one of these VMs is shown; asked for in the event loop, which alone may touch the world."""

    async def text() -> bytes:
        vm = world(azure).group(azure.subscription, azure.resource_group).vms[f"vm-{number}"]
        return world(azure).events.text(vm, version)

    return azure.run(text())


def fill(azure: SimulatedAzure, number: int) -> None:
    """So many Spot VMs that run, all in one scale set: each hears of the events of all."""
    identity = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachineScaleSets/set"
    properties = {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1}
    assert arm(azure, "PUT", identity, {"location": azure.location, "properties": properties}).status == 201
    member = {"priority": "Spot", "evictionPolicy": "Delete", "virtualMachineScaleSet": {"id": identity}}

    async def make() -> None:
        group = world(azure).group(azure.subscription, azure.resource_group)
        provisioning = azure.simulator._provisioning
        assert provisioning is not None
        for at in range(number):
            request = vm_request.read(f"vm-{at}", vm_body(azure, f"n-{at}", **member))
            provisioning.create(vm_factory.make(world(azure), group, f"vm-{at}", request))
            await asyncio.sleep(0)

    azure.run(make())
    until(lambda: sum(vm["powerState"] == "running" for vm in azure.vms()) == number, 10)


@contextmanager
def rounds(azure: SimulatedAzure) -> Iterator[list[float]]:
    """The CPU time of each round of the event loop's thread while the block runs, in seconds: what waits for a core, or for
    another thread of this process, does not count, nor does collecting what other tests have left in this process."""
    gc.collect()
    gc.freeze()
    found: list[float] = []
    over = asyncio.Event()

    async def watch() -> None:
        last = time.thread_time()
        while not over.is_set():
            await asyncio.sleep(0.001)
            now = time.thread_time()
            found.append(now - last)
            last = now

    watching = asyncio.run_coroutine_threadsafe(watch(), azure._loop)
    yield found
    azure._loop.call_soon_threadsafe(over.set)
    watching.result(10)
    gc.unfreeze()


@pytest.mark.timeout(60)
def test_three_hundred_evictions_do_not_hold_anything_up() -> None:
    """300 of 800 members of a scale set are told and taken at the same moment: no round takes a tenth of a second, and the 500
    others are left alone."""
    with simulated_azure() as azure:
        fill(azure, 800)
        with rounds(azure) as found:
            control(azure, "POST", "/faults", {"what": {"kind": "evict", "vms": 300, "notice": 1}})
            until(lambda: len(azure.vms()) == 500, 10)
        assert max(found) < LONGEST
        assert all(vm["powerState"] == "running" for vm in azure.vms())


def test_hundreds_who_ask_are_told_from_one_text() -> None:
    """With 300 events in force an answer costs what writing it costs, not what making it does; what changes is seen at once."""
    with simulated_azure() as azure:
        fill(azure, 300)
        control(azure, "POST", "/faults", {"what": {"kind": "evict", "vms": "all", "notice": 3600}})
        until(lambda: len(json.loads(shown(azure, 0))["Events"]) == 300, 10)
        assert shown(azure, 1) is shown(azure, 2)
        assert "DurationInSeconds" not in json.loads(shown(azure, 1, "2019-08-01"))["Events"][0]
        arm(azure, "DELETE", vm_path(azure, "vm-0"))
        assert len(json.loads(shown(azure, 1))["Events"]) == 299
