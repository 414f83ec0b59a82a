"""Operations that fail in the end although they were accepted, and faults that follow an operation to its status requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator.faulty import control, create, hits, put
from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A host after 2 s, ready 20 s later, stopped, gone or deallocated in 10 s; vm-1 runs."""
    spans = {"create_seconds": 2.0, "boot_seconds": 20.0, "delete_seconds": 10.0, "stop_seconds": 10.0}
    timing: dict[str, Any] = {name: constant(value) for name, value in spans.items()}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        create(running)
        running.advance(30)
        yield running


def failing(operation: str, code: str = "InternalExecutionError", **more: Any) -> dict[str, Any]:
    """A fault: an operation of that kind fails, five seconds after it was begun."""
    return {"what": {"kind": "error", "code": code, "when": "async", "seconds": 5} | more, "operation": operation}


def status(azure: SimulatedAzure, begun: Answer) -> dict[str, Any]:
    """What the status request of an operation says."""
    url = urlsplit(begun.headers["Azure-AsyncOperation"])
    answer = arm(azure, "GET", f"{url.path}?{url.query}")
    assert answer.status == 200
    found: dict[str, Any] = answer.body
    return found


def state(azure: SimulatedAzure) -> tuple[str, str]:
    (vm,) = azure.vms()
    return vm["provisioningState"], vm["powerState"]


@pytest.mark.parametrize("verb", ["powerOff", "deallocate", "restart", "redeploy", "reapply", "start"])
def test_an_operation_on_a_vm_fails_in_the_end(azure: SimulatedAzure, verb: str) -> None:
    """202, then Failed with the code after the time that was asked for; the VM is as it was but for its provisioning state,
    and the same asked for again succeeds."""
    put(azure, failing(f"VirtualMachines_{verb}") | {"count": 1})
    begun = arm(azure, "POST", vm_path(azure, f"vm-1/{verb}"))
    assert begun.status == 202
    azure.advance(4)
    assert status(azure, begun)["status"] == "InProgress"
    azure.advance(2)
    found = status(azure, begun)
    assert (found["status"], found["error"]["code"]) == ("Failed", "InternalExecutionError")
    assert state(azure) == ("Failed", "running")
    again = arm(azure, "POST", vm_path(azure, f"vm-1/{verb}"))
    azure.advance(60)
    assert (status(azure, again)["status"], hits(azure)) == ("Succeeded", 1)


def test_a_start_finds_no_host(azure: SimulatedAzure) -> None:
    """AllocationFailed at the end of a start, while creates go on as ever; the VM stays deallocated."""
    put(azure, failing("VirtualMachines_Start", "AllocationFailed"))
    arm(azure, "POST", vm_path(azure, "vm-1/deallocate"))
    azure.advance(20)
    begun = arm(azure, "POST", vm_path(azure, "vm-1/start"))
    azure.advance(6)
    assert status(azure, begun)["error"]["code"] == "AllocationFailed"
    assert state(azure) == ("Failed", "deallocated")
    create(azure, "vm-2")
    azure.advance(30)
    assert [vm["provisioningState"] for vm in azure.vms()] == ["Failed", "Succeeded"]
    assert hits(azure) == 1


def test_a_start_times_out_and_creates_do_not(azure: SimulatedAzure) -> None:
    """VMStartTimedOut comes so long after power-on as was asked for, and the machine goes on, as Azure's words have it."""
    put(azure, failing("VirtualMachines_Start", "VMStartTimedOut"))
    create(azure, "vm-2")
    arm(azure, "POST", vm_path(azure, "vm-1/deallocate"))
    azure.advance(30)
    begun = arm(azure, "POST", vm_path(azure, "vm-1/start"))
    azure.advance(8)
    assert status(azure, begun)["error"]["code"] == "VMStartTimedOut"
    azure.advance(30)
    assert [(vm["provisioningState"], vm["powerState"]) for vm in azure.vms()] == [
        ("Failed", "running"),
        ("Succeeded", "running"),
    ]


def test_a_delete_fails_in_the_end_by_the_same_means(azure: SimulatedAzure) -> None:
    """The VM stays, Failed, and can be deleted again."""
    put(azure, failing("deletes") | {"count": 1})
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(6)
    assert state(azure) == ("Failed", "running")
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(20)
    assert azure.vms() == []


def test_without_an_operation_errors_are_those_of_allocations_as_ever(azure: SimulatedAzure) -> None:
    """A fault that names none strikes creates and starts that look for a host, not a deallocation."""
    put(azure, {"what": {"kind": "error", "code": "AllocationFailed", "when": "async"}})
    arm(azure, "POST", vm_path(azure, "vm-1/deallocate"))
    azure.advance(20)
    assert state(azure) == ("Succeeded", "deallocated")
    arm(azure, "POST", vm_path(azure, "vm-1/start"))
    azure.advance(20)
    assert state(azure) == ("Failed", "deallocated")


def test_status_requests_know_whose_operation_they_ask_for(azure: SimulatedAzure) -> None:
    """A matcher of VMs meets the polls of that VM's operation alone, of a VM that is gone too."""
    put(azure, {"what": {"kind": "throttle"}, "operation": "polls", "vm": "vm-2"})
    begun = {name: create(azure, name) for name in ("vm-2", "vm-3")}
    for _ in range(2):
        assert {name: _poll(azure, answer) for name, answer in begun.items()} == {"vm-2": 429, "vm-3": 200}
        arm(azure, "DELETE", vm_path(azure, "vm-2"))
        azure.advance(30)
    assert hits(azure) == 2


def _poll(azure: SimulatedAzure, begun: Answer) -> int:
    url = urlsplit(begun.headers["Azure-AsyncOperation"])
    return arm(azure, "GET", f"{url.path}?{url.query}").status


def test_an_operation_is_no_matcher_of_what_strikes_vms(azure: SimulatedAzure) -> None:
    """Only errors end operations; a slow boot has none, and saying so is a mistake."""
    answer = control(azure, "POST", "/faults", {"what": {"kind": "boot", "slower": 5}, "operation": "creates"})
    assert (answer.status, "is about requests" in answer.body["mistakes"][0]) == (400, True)
