"""Start, stop, deallocate, restart, redeploy, reapply: states in time, conflicts, and what each keeps or gives back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from slurm_azure.simulator.timing import constant
from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

SLOW: dict[str, Any] = {
    "create_seconds": constant(2.0),
    "boot_seconds": constant(20.0),
    "delete_seconds": constant(30.0),
    "stop_seconds": constant(5.0),
    "force_delete_seconds": constant(1.0),
}


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """One running VM, vm-1; a host after 2 s, ready 20 s later, stopped in 5 s, gone or deallocated in 30 s."""
    with simulated_azure(clock=ManualClock(), **SLOW) as running:
        made(running, "vm-1")
        yield running


def made(azure: SimulatedAzure, name: str, **changes: Any) -> None:
    """A VM that runs."""
    assert arm(azure, "PUT", vm_path(azure, name), vm_body(azure, name, **changes)).status == 201
    azure.advance(30)


def post(azure: SimulatedAzure, verb: str, name: str = "vm-1") -> Answer:
    return arm(azure, "POST", f"{vm_path(azure, name)}/{verb}")


def statuses(azure: SimulatedAzure, name: str = "vm-1") -> list[str]:
    view = arm(azure, "GET", vm_path(azure, name) + "/instanceView").body
    return [status["code"].partition("/")[2] for status in view["statuses"]]


def outcome(azure: SimulatedAzure, begun: Answer) -> Any:
    """What the operation's own address says of it."""
    return arm(azure, "GET", begun.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("?")[0]).body


@pytest.mark.parametrize(
    ("verb", "course"),
    [
        ("powerOff", [(1, ["updating", "stopping"]), (5, ["succeeded", "stopped"])]),
        ("powerOff?skipShutdown=true", [(0, ["succeeded", "stopped"])]),
        ("deallocate", [(29, ["updating", "deallocating"]), (2, ["succeeded", "deallocated"])]),
        ("restart", [(1, ["updating", "stopping"]), (5, ["updating", "running"]), (20, ["succeeded", "running"])]),
        ("redeploy", [(1, ["updating", "stopping"]), (2, ["updating", "running"]), (20, ["succeeded", "running"])]),
        ("reapply", [(1, ["updating", "running"]), (2, ["succeeded", "running"])]),
        ("start", [(0, ["succeeded", "running"])]),
    ],
)
def test_states_follow_one_another(azure: SimulatedAzure, verb: str, course: list[tuple[float, list[str]]]) -> None:
    """202 with both addresses of the operation and no body; provisioning and power state as documented until it has ended."""
    begun = post(azure, verb)
    assert (begun.status, begun.text) == (202, b"")
    assert "monitor=true" in begun.headers["Location"]
    for seconds, expected in course:
        azure.advance(seconds)
        assert statuses(azure) == expected
    assert outcome(azure, begun)["status"] == "Succeeded"
    assert arm(azure, "GET", vm_path(azure, "vm-1")).body["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(("stop", "seconds"), [("powerOff", 21), ("deallocate", 21)])
def test_a_stopped_vm_can_be_started_again(azure: SimulatedAzure, stop: str, seconds: float) -> None:
    """Power on and boot take their time; address and identity are the old ones."""
    before = azure.vms()[0]
    post(azure, stop)
    azure.advance(40)
    begun = post(azure, "start")
    azure.advance(seconds)
    assert statuses(azure)[0] == "updating"
    azure.advance(2)
    assert statuses(azure) == ["succeeded", "running"]
    assert outcome(azure, begun)["status"] == "Succeeded"
    after = azure.vms()[0]
    assert (after["ip"], after["vmId"], after["created"]) == (before["ip"], before["vmId"], before["created"])


@pytest.mark.parametrize("under_way", ["powerOff", "deallocate", "restart", "redeploy", "reapply"])
@pytest.mark.parametrize("verb", ["start", "powerOff", "deallocate", "restart", "redeploy", "reapply"])
def test_one_operation_at_a_time(azure: SimulatedAzure, under_way: str, verb: str) -> None:
    """409 OperationNotAllowed in the documented words, and nothing else happens."""
    begun = post(azure, under_way)
    refused = post(azure, verb)
    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    words = f"Operation '{verb}' is not allowed on VM 'vm-1' since another operation is in progress."
    assert refused.body["error"]["message"] == words
    azure.advance(60)
    assert outcome(azure, begun)["status"] == "Succeeded"


def test_nothing_can_be_done_to_a_vm_that_is_on_its_way_out(azure: SimulatedAzure) -> None:
    """409 with the words for a VM that is marked for deletion; a VM that is being made is busy."""
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    for verb in ("start", "restart", "simulateEviction"):
        refused = post(azure, verb)
        assert refused.status == 409
        assert "since the VM is marked for deletion" in refused.body["error"]["message"]
    arm(azure, "PUT", vm_path(azure, "vm-2"), vm_body(azure))
    assert "another operation is in progress" in post(azure, "restart", "vm-2").body["error"]["message"]


@pytest.mark.parametrize("verb", ["powerOff", "restart", "redeploy"])
def test_a_deallocated_vm_has_nothing_to_stop(azure: SimulatedAzure, verb: str) -> None:
    """409 in the documented words; to deallocate it again is no mistake."""
    post(azure, "deallocate")
    azure.advance(31)
    refused = post(azure, verb)
    assert refused.status == 409
    words = f"Operation '{verb}' is not allowed on VM 'vm-1' since the VM is either deallocated or marked to be deallocated."
    assert refused.body["error"]["message"] == words
    assert post(azure, "deallocate").status == 202
    assert statuses(azure) == ["succeeded", "deallocated"]


def test_a_stopped_vm_cannot_be_restarted_but_moved(azure: SimulatedAzure) -> None:
    """Restart needs a running VM; redeploy powers on elsewhere."""
    post(azure, "powerOff")
    azure.advance(6)
    assert post(azure, "restart").body["error"]["message"] == "The operation requires the VM to be running (or set to run)."
    assert post(azure, "redeploy").status == 202
    azure.advance(30)
    assert statuses(azure) == ["succeeded", "running"]


@pytest.mark.parametrize("verb", ["deallocate", "powerOff"])
def test_an_ephemeral_disk_does_not_outlive_its_host(azure: SimulatedAzure, verb: str) -> None:
    """Neither stop nor deallocate; restart and redeploy are allowed."""
    disk = {"createOption": "FromImage", "caching": "ReadOnly", "diffDiskSettings": {"option": "Local"}}
    storage = vm_body(azure)["properties"]["storageProfile"] | {"osDisk": disk}
    made(azure, "vm-2", storageProfile=storage, hardwareProfile={"vmSize": "Standard_D2ds_v5"})
    assert (post(azure, verb, "vm-2").status, post(azure, verb, "vm-2").code) == (409, "OperationNotAllowed")
    assert statuses(azure, "vm-2") == ["succeeded", "running"]
    assert post(azure, "restart", "vm-2").status == 202


@pytest.mark.parametrize(
    ("verb", "status", "code"),
    [
        ("deallocate?hibernate=true", 409, "OperationNotAllowed"),
        ("deallocate?hibernate=perhaps", 400, "InvalidParameter"),
        ("powerOff?skipShutdown=1", 400, "InvalidParameter"),
    ],
)
def test_options_of_the_query(azure: SimulatedAzure, verb: str, status: int, code: str) -> None:
    """Hibernation was not asked for when the VM was made; a boolean is true or false."""
    refused = post(azure, verb)
    assert (refused.status, refused.code) == (status, code)
    assert statuses(azure) == ["succeeded", "running"]


def test_a_vm_that_was_made_for_it_hibernates(azure: SimulatedAzure) -> None:
    """It is deallocated, says that it hibernates, is not one that can be hibernated again, and runs after a start."""
    made(azure, "vm-2", additionalCapabilities={"hibernationEnabled": True})
    assert post(azure, "deallocate?hibernate=true", "vm-2").status == 202
    azure.advance(40)
    assert statuses(azure, "vm-2") == ["succeeded", "deallocated", "Hibernated"]
    assert post(azure, "deallocate?hibernate=true", "vm-2").code == "OperationNotAllowed"
    assert post(azure, "start", "vm-2").status == 202
    azure.advance(40)
    assert statuses(azure, "vm-2") == ["succeeded", "running"]
    post(azure, "deallocate", "vm-2")
    azure.advance(40)
    assert statuses(azure, "vm-2") == ["succeeded", "deallocated"]


def test_a_vm_that_is_not_there(azure: SimulatedAzure) -> None:
    """404 ResourceNotFound."""
    assert (post(azure, "start", "absent").status, post(azure, "start", "absent").code) == (404, "ResourceNotFound")


def test_a_start_needs_a_host_again(azure: SimulatedAzure) -> None:
    """The host of a deallocated VM is another's to have; a start without one fails, and the VM stays as it was."""
    world = azure.simulator._provisioning._world  # type: ignore[union-attr]
    post(azure, "deallocate")
    azure.advance(31)
    world.capacity.limit(0, size="Standard_D2s_v5")
    begun = post(azure, "start")
    assert begun.status == 202
    azure.advance(3)
    ended = outcome(azure, begun)
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "AllocationFailed")
    assert statuses(azure) == ["failed/AllocationFailed", "deallocated"]
    world.capacity.limit(1, size="Standard_D2s_v5")
    post(azure, "start")
    azure.advance(30)
    assert statuses(azure) == ["succeeded", "running"]


def test_a_deallocated_vm_gives_its_host_to_another(azure: SimulatedAzure) -> None:
    """With one host, a second VM gets it once the first is deallocated, and not before; stopped VMs keep theirs."""
    world = azure.simulator._provisioning._world  # type: ignore[union-attr]
    world.capacity.limit(1, size="Standard_D2s_v5")
    post(azure, "powerOff")
    azure.advance(6)
    made(azure, "vm-2")
    assert statuses(azure, "vm-2")[0] == "failed/AllocationFailed"
    post(azure, "deallocate")
    azure.advance(31)
    made(azure, "vm-3")
    assert statuses(azure, "vm-3") == ["succeeded", "running"]


def test_delete_by_force_is_quicker(azure: SimulatedAzure) -> None:
    """One second instead of thirty."""
    assert arm(azure, "DELETE", vm_path(azure, "vm-1") + "?forceDeletion=true").status == 202
    azure.advance(2)
    assert azure.vms() == []
    assert arm(azure, "DELETE", vm_path(azure, "vm-1") + "?forceDeletion=maybe").status == 400


def test_a_delete_preempts_what_is_under_way(azure: SimulatedAzure) -> None:
    """The operation ends Canceled with OperationPreempted; the VM is gone when its time has come."""
    begun = post(azure, "restart")
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    ended = outcome(azure, begun)
    assert (ended["status"], ended["error"]["code"]) == ("Canceled", "OperationPreempted")
    azure.advance(31)
    assert azure.vms() == []


def test_changes_wait_for_the_operation_under_way(azure: SimulatedAzure) -> None:
    """PUT and PATCH are 409 while the VM is Updating, and taken when it is not."""
    post(azure, "deallocate")
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, "vm-1")).status == 409
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), {"tags": {"a": "b"}}).status == 409
    azure.advance(31)
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}


def test_the_sdks_pollers_see_every_operation_through() -> None:
    """Unmodified azure-mgmt-compute: each begin_.. ends, a refusal is an HttpResponseError with Azure's code."""
    with simulated_azure() as azure, azure.compute() as client:
        group, vms = azure.resource_group, client.virtual_machines
        body: Any = vm_body(azure)
        vms.begin_create_or_update(group, "vm-1", body).result()
        for begin in (vms.begin_restart, vms.begin_redeploy, vms.begin_reapply, vms.begin_power_off, vms.begin_start):
            assert begin(group, "vm-1").result() is None
        vms.begin_deallocate(group, "vm-1").result()
        codes = [status.code for status in vms.instance_view(group, "vm-1").statuses or ()]
        assert codes == ["ProvisioningState/succeeded", "PowerState/deallocated"]
        with pytest.raises(HttpResponseError) as refused:
            vms.begin_power_off(group, "vm-1")
        assert refused.value.error is not None
        assert refused.value.error.code == "OperationNotAllowed"
        vms.begin_start(group, "vm-1").result()
        vms.begin_delete(group, "vm-1", force_deletion=True).result()
        assert azure.vms() == []
