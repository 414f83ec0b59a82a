"""The simulator's answers on virtual machines in all they can show; the judge of `simulated_azure` has to find nothing."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from tests.contracts import specifications
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

pytestmark = pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT)


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


def test_every_answer_in_the_life_of_a_vm_is_as_specified() -> None:
    """Create, get, instance view, lists, update, delete and their refusals; each answer is judged as it is given."""
    with simulated_azure(clock=ManualClock(), boot_seconds=constant(5.0), delete_seconds=constant(5.0)) as azure:
        one, group = vm_path(azure, "vm-1"), vm_path(azure)
        subscription = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute"
        body = rich_body(azure)
        statuses = [arm(azure, "PUT", one, body).status]
        for seconds in (0, 1, 10):
            azure.advance(seconds)
            statuses += [arm(azure, "GET", one + view).status for view in ("/instanceView", "?$expand=instanceView")]
        statuses.append(arm(azure, "PUT", one, body).status)
        asked = [one + "?$expand=userData", group, f"{subscription}/virtualMachines"]
        asked += [f"{subscription}/virtualMachines?statusOnly=true", f"{subscription}/locations/westeurope/virtualMachines"]
        statuses += [arm(azure, "GET", path).status for path in asked]
        statuses.append(arm(azure, "PATCH", one, {"tags": {}}).status)
        assert statuses == [201] + [200] * 13
        assert arm(azure, "GET", vm_path(azure, "absent")).status == 404
        assert arm(azure, "PUT", one, {}).status == 400
        assert arm(azure, "DELETE", one).status == 202
        assert arm(azure, "PUT", one, body).status == 409
        azure.advance(10)
        assert arm(azure, "DELETE", one).status == 204
