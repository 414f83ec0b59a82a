"""Answers on virtual machines, held against Microsoft's own OpenAPI files."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator import openapi
from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

pytestmark = pytest.mark.skipif(
    not openapi.available(), reason=f"Microsoft's OpenAPI files are not in {openapi.SHARED} (set SLURM_AZURE_SHARED)"
)


def rich_body(azure: SimulatedAzure) -> dict[str, Any]:
    """A create call with most of what a cluster node may have."""
    top = {
        "tags": {"cluster": "c"},
        "zones": ["1"],
        "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}},
    }
    body = vm_body(
        azure,
        top=top,
        userData=base64.b64encode(b"user").decode(),
        priority="Spot",
        evictionPolicy="Delete",
        billingProfile={"maxPrice": -1},
        diagnosticsProfile={"bootDiagnostics": {"enabled": True}},
    )
    body["properties"]["osProfile"]["customData"] = base64.b64encode(b"custom").decode()
    body["properties"]["storageProfile"]["dataDisks"] = [{"lun": 0, "createOption": "Empty", "diskSizeGB": 8}]
    return body


def check(answer: Answer, operation: str, status: int) -> None:
    assert answer.status == status, answer.body
    assert openapi.problems(operation, status, answer.body) == []


def test_every_answer_in_the_life_of_a_vm_is_as_specified() -> None:
    """Create, get, instance view, lists, update, delete and their refusals: status and every member of the body."""
    with simulated_azure(clock=ManualClock(), boot_seconds=constant(5.0), delete_seconds=constant(5.0)) as azure:
        one, group = vm_path(azure, "vm-1"), vm_path(azure)
        subscription = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute"
        body = rich_body(azure)
        check(arm(azure, "PUT", one, body), "VirtualMachines_CreateOrUpdate", 201)
        for seconds in (0, 1, 10):
            azure.advance(seconds)
            check(arm(azure, "GET", one + "/instanceView"), "VirtualMachines_InstanceView", 200)
            check(arm(azure, "GET", one + "?$expand=instanceView"), "VirtualMachines_Get", 200)
        check(arm(azure, "PUT", one, body), "VirtualMachines_CreateOrUpdate", 200)
        check(arm(azure, "GET", one + "?$expand=userData"), "VirtualMachines_Get", 200)
        check(arm(azure, "GET", group), "VirtualMachines_List", 200)
        check(arm(azure, "GET", f"{subscription}/virtualMachines"), "VirtualMachines_ListAll", 200)
        check(arm(azure, "GET", f"{subscription}/virtualMachines?statusOnly=true"), "VirtualMachines_ListAll", 200)
        check(arm(azure, "GET", f"{subscription}/locations/westeurope/virtualMachines"), "VirtualMachines_ListByLocation", 200)
        check(arm(azure, "PATCH", one, {"tags": {}}), "VirtualMachines_Update", 200)
        check(arm(azure, "GET", vm_path(azure, "absent")), "VirtualMachines_Get", 404)
        check(arm(azure, "PUT", one, {}), "VirtualMachines_CreateOrUpdate", 400)
        check(arm(azure, "DELETE", one), "VirtualMachines_Delete", 202)
        check(arm(azure, "PUT", one, body), "VirtualMachines_CreateOrUpdate", 409)
        azure.advance(10)
        check(arm(azure, "DELETE", one), "VirtualMachines_Delete", 204)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", 5),
        ("properties.provisioning", "Succeeded"),
        ("properties.osProfile.linuxConfiguration.unheardOf", True),
        ("properties.storageProfile.osDisk.caching", "Sometimes"),
        ("properties.timeCreated", "yesterday"),
        ("identity.type", "Borrowed"),
    ],
)
def test_the_judge_sees_what_is_wrong(azure: SimulatedAzure, path: str, value: Any) -> None:
    """A true answer with one member spoiled or added is found out: the check above can fail."""
    good = arm(azure, "PUT", vm_path(azure, "vm-1"), rich_body(azure)).body
    assert openapi.problems("VirtualMachines_CreateOrUpdate", 201, good) == []
    bad = copy.deepcopy(good)
    owner = bad
    *way, last = path.split(".")
    for part in way:
        owner = owner[part]
    owner[last] = value
    assert openapi.problems("VirtualMachines_CreateOrUpdate", 201, bad) != []
