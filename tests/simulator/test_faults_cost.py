"""What faults cost: nothing without any, little with many, and nothing that grows with the number of VMs."""

from __future__ import annotations

import time
from collections.abc import Callable

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.faults.reading import read_plan
from slurm_azure.simulator.world.vm import VirtualMachine
from tests.simulator.test_robustness import GOOD, a_world, create


def call(name: str) -> Call:
    """A request for a VM, as it is when its operation is known."""
    found = Call("GET", f"/{name}", {}, {}, b"", "https://x", "x", "127.0.0.1")
    found.operation = "VirtualMachines_Get"
    found.parameters = {"subscriptionId": "s", "resourceGroupName": "g", "vmName": name}
    found.principal = Principal("daemon", "c", "o", ())
    return found


def seconds(work: Callable[[], object], times: int) -> float:
    """The least of five measurements of `work`, in seconds per call."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - began)
    return best / times


def plan(number: int) -> object:
    """So many faults with matchers of VMs that match none."""
    return [
        {"what": "Conflict", "operation": "*", "zone": "9", "size": f"*{n}", "tags": {"pool": f"p{n}"}} for n in range(number)
    ]


def world_with(vms: int) -> tuple[Faults, VirtualMachine]:
    """A world in which one VM is known by many names: what a look-up costs does not depend on what it finds."""
    world = a_world()
    vm = create(world, GOOD)
    assert vm is not None
    group = next(iter(world.groups.values()))
    for number in range(vms):
        group.vms[f"vm-{number}"] = vm
    return Faults(world, 1), vm


def test_without_faults_a_request_costs_next_to_nothing() -> None:
    """Both questions together take less than 5 microseconds."""
    faults, vm = world_with(10)
    request, reply = call("vm-1"), Reply(200)

    def ask() -> None:
        faults.before(request)
        faults.after(request, reply)
        faults.allocation(vm)

    assert seconds(ask, 10_000) < 5e-6


def test_twenty_faults_cost_the_same_with_ten_and_with_ten_thousand_vms() -> None:
    """Less than 200 microseconds a request, and no more with a thousand times as many VMs (within measurement)."""
    costs = []
    for number in (10, 10_000):
        faults, _ = world_with(number)
        found, mistakes = read_plan(plan(20))
        assert not mistakes
        faults.load(found)
        request = call("vm-7")
        costs.append(seconds(lambda faults=faults, request=request: faults.before(request), 300))  # type: ignore[misc]
    assert costs[1] < 200e-6
    assert costs[1] < 3 * costs[0]


def test_faults_of_other_operations_cost_nothing() -> None:
    """They are not even looked at: the twenty are found by operation once."""
    faults, _ = world_with(10)
    found, mistakes = read_plan([{"what": "Conflict", "operation": "deletes", "zone": "9"} for _ in range(20)])
    assert not mistakes
    faults.load(found)
    request = call("vm-1")
    assert seconds(lambda: faults.before(request), 3_000) < 10e-6
