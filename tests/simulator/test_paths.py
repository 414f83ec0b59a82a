"""Escapes in paths: a name is a name, whatever is escaped in it."""

from __future__ import annotations

import pytest

from tests.simulator.raw import VERSION, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body


def test_an_escaped_slash_is_part_of_a_name(azure: SimulatedAzure) -> None:
    """%2F in a VM's name names no other resource: nothing is there, nothing can be made there, nothing is started."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    inside = vm_path(azure, "vm-1%2FinstanceView")
    assert (arm(azure, "GET", inside).status, arm(azure, "GET", inside).code) == (404, "ResourceNotFound")
    assert arm(azure, "PUT", vm_path(azure, "vm-1%2fx"), vm_body(azure)).code == "InvalidParameter"
    assert arm(azure, "POST", vm_path(azure, "vm-1%2Fdeallocate")).status == 405
    assert arm(azure, "DELETE", vm_path(azure, "x%2Fvm-1")).status == 204
    assert [vm["powerState"] for vm in azure.vms()] == ["running"]


def test_an_escaped_slash_does_not_end_a_resource_group(azure: SimulatedAzure) -> None:
    """Nor can a segment be made of two, or two of one."""
    whole = f"/subscriptions/{azure.subscription}/resourceGroups%2F{azure.resource_group}"
    assert arm(azure, "GET", whole).status == 404
    assert arm(azure, "GET", f"{azure.group_path}%2Fproviders/Microsoft.Compute/virtualMachines").status == 404


@pytest.mark.parametrize("name", ["%76m-1", "VM%2D1", "v%6D-1"])
def test_other_escapes_stand_for_their_characters(azure: SimulatedAzure, name: str) -> None:
    """An escaped letter is that letter, in its case; the id keeps the spelling of the VM's making."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    assert arm(azure, "GET", vm_path(azure, name)).body["id"].endswith("/vm-1")


def test_links_are_escaped_again(slow_azure: SimulatedAzure) -> None:
    """A path's odd characters come back escaped in a header, and cannot begin another one."""
    azure = slow_azure
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    begun = arm(azure, "DELETE", vm_path(azure, "vm-1"))
    operation = begun.headers["Location"].partition("/operations/")[2].partition("?")[0]
    place = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/w%0Aest%C3%A9"
    path = f"{place}/operations/{operation}?monitor=true&api-version={VERSION}"
    answer = arm(azure, "GET", path)
    assert answer.status == 202
    assert "/locations/w%0Aest%C3%A9/operations/" in answer.headers["Location"]
