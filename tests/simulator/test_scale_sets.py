"""Scale sets in orchestration mode Flexible, and the VMs that join them. (Shapes of answers: tests/contracts, all along.)"""

from __future__ import annotations

import copy
import ipaddress
import random
from typing import Any
from urllib.parse import quote

import pytest

from slurm_azure.simulator.estate import Estate, NetworkPlan, SubnetPlan, SubscriptionPlan
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.placement_resources import ScaleSet
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World
from tests.simulator.raw import Answer, arm, vm_path
from tests.simulator.test_robustness import GOOD
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body


def set_path(azure: SimulatedAzure, name: str = "") -> str:
    """The path of a scale set, or of the group's scale sets."""
    path = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachineScaleSets"
    return f"{path}/{name}" if name else path


def put_set(azure: SimulatedAzure, name: str = "flex", top: dict[str, Any] | None = None, **properties: Any) -> Answer:
    """Make a Flexible scale set."""
    body = {"location": azure.location, "properties": {"orchestrationMode": "Flexible"} | properties, **(top or {})}
    return arm(azure, "PUT", set_path(azure, name), body)


def put_member(
    azure: SimulatedAzure, vm: str, name: str = "flex", top: dict[str, Any] | None = None, **properties: Any
) -> Answer:
    """Make a VM in a scale set."""
    body = vm_body(azure, top=top or {}, virtualMachineScaleSet={"id": set_path(azure, name)}, **properties)
    return arm(azure, "PUT", vm_path(azure, vm), body)


def test_a_flexible_set_is_made_shown_changed_and_deleted(azure: SimulatedAzure) -> None:
    """201, then 200; what Azure fills in; tags by PATCH; 202 and 204 on delete."""
    made = put_set(azure, top={"tags": {"a": "b"}})
    assert (made.status, made.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "Azure-AsyncOperation" in made.headers
    assert put_set(azure).status == 200
    assert arm(azure, "PATCH", set_path(azure, "FLEX"), {"tags": {"c": "d"}}).status == 200
    shown = arm(azure, "GET", set_path(azure, "flex")).body
    assert shown["tags"] == {"c": "d"}
    assert shown["properties"]["singlePlacementGroup"] is False
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert [arm(azure, "DELETE", set_path(azure, "flex")).status for _ in range(2)] == [202, 204]
    assert arm(azure, "GET", set_path(azure, "flex")).code == "ResourceNotFound"


def test_sets_are_listed_by_group_subscription_and_region(azure: SimulatedAzure) -> None:
    """All three lists, each with what it should have."""
    put_set(azure, "one")
    other = set_path(azure, "two").replace("slurm-burst", "other")
    arm(azure, "PUT", other, {"location": "North Europe", "properties": {"orchestrationMode": "Flexible"}})
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute"
    names = [
        [item["name"] for item in arm(azure, "GET", path).body["value"]]
        for path in (
            set_path(azure),
            f"{everywhere}/virtualMachineScaleSets",
            f"{everywhere}/locations/northeurope/virtualMachineScaleSets",
        )
    ]
    assert names == [["one"], ["one", "two"], ["two"]]


@pytest.mark.parametrize(
    ("properties", "top", "status", "code"),
    [
        ({"singlePlacementGroup": True}, {}, 400, "InvalidParameter"),
        ({"orchestrationMode": "Rigid"}, {}, 400, "InvalidParameter"),
        ({"platformFaultDomainCount": "two"}, {}, 400, "InvalidRequestContent"),
        ({"virtualMachineProfile": []}, {}, 400, "InvalidRequestContent"),
        ({"unheardOf": 1}, {}, 400, "InvalidRequestContent"),
        ({}, {"zones": ["9"]}, 400, "InvalidAvailabilityZone"),
        ({}, {"location": "atlantis"}, 400, "LocationNotAvailableForResourceType"),
        ({"proximityPlacementGroup": {"id": "/x"}}, {}, 404, "NotFound"),
        ({}, {"sku": {"name": "Standard_D2s_v5", "capacity": 3}}, 501, "NotImplemented"),
        ({"orchestrationMode": "Uniform"}, {"sku": {"name": "Standard_D2s_v5", "capacity": 1}}, 501, "NotImplemented"),
    ],
)
def test_what_a_set_cannot_be_is_refused(
    azure: SimulatedAzure, properties: dict[str, Any], top: dict[str, Any], status: int, code: str
) -> None:
    """Each refusal with its code, and no set afterwards."""
    answer = put_set(azure, top=top, **properties)
    assert (answer.status, answer.code) == (status, code)
    assert arm(azure, "GET", set_path(azure)).body == {"value": []}


def test_the_mode_of_a_set_never_changes(azure: SimulatedAzure) -> None:
    """Documented: "defined when you create the scale set and cannot be changed"."""
    put_set(azure)
    assert put_set(azure, orchestrationMode="Uniform").code == "PropertyChangeNotAllowed"
    answer = arm(azure, "PATCH", set_path(azure, "flex"), {"sku": {"name": "Standard_D2s_v5", "capacity": 2}})
    assert answer.status == 501


def test_secrets_of_a_profile_are_never_shown(azure: SimulatedAzure) -> None:
    """No password, customData or protected setting; userData only if asked for."""
    profile = {
        "userData": "dQ==",
        "osProfile": {"adminPassword": "geheim", "customData": "Yw==", "computerNamePrefix": "n"},
        "extensionProfile": {"extensions": [{"name": "e", "properties": {"protectedSettings": {"key": "geheim"}}}]},
    }
    made = put_set(azure, virtualMachineProfile=profile)
    shown = arm(azure, "GET", set_path(azure, "flex") + "?$expand=userData")
    assert b"geheim" not in made.text + shown.text
    assert shown.body["properties"]["virtualMachineProfile"]["userData"] == "dQ=="
    assert "userData" not in made.body["properties"]["virtualMachineProfile"]


@pytest.mark.parametrize(
    "form",
    [
        "'virtualMachineScaleSet/id' eq '{id}'",
        "virtualMachineScaleSet/id eq '{id}'",
        "'virtualMachineScaleSet/id' eq {id}",
        "'VirtualMachineScaleSet/Id' EQ '{id}'",
    ],
)
def test_vms_of_a_set_are_listed_by_filter(azure: SimulatedAzure, form: str) -> None:
    """Only members, in every way of quoting that is documented, with their run-time state if asked for."""
    put_set(azure)
    put_member(azure, "in-1")
    arm(azure, "PUT", vm_path(azure, "out-1"), vm_body(azure))
    text = quote(form.format(id=set_path(azure, "FLEX")))
    plain = arm(azure, "GET", f"{vm_path(azure)}?$filter={text}").body["value"]
    assert [(vm["name"], "instanceView" in vm["properties"]) for vm in plain] == [("in-1", False)]
    states = arm(azure, "GET", f"{vm_path(azure)}?$filter={text}&$expand=instanceView").body["value"]
    assert states[0]["properties"]["instanceView"]["statuses"][-1]["code"] == "PowerState/running"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("$expand=instanceView", 400, "InvalidParameter"),
        ("$filter=name%20eq%20'x'", 400, "InvalidParameter"),
        ("$filter=" + quote("'virtualMachineScaleSet/id' eq '/x'"), 404, "NotFound"),
    ],
)
def test_other_options_of_the_list_are_refused(azure: SimulatedAzure, query: str, status: int, code: str) -> None:
    """`$expand` goes only with the one `$filter` that there is."""
    answer = arm(azure, "GET", f"{vm_path(azure)}?{query}")
    assert (answer.status, answer.code) == (status, code)


def test_the_sdk_lists_members_with_their_states(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute makes the set, a VM in it, and lists it."""
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        made = client.virtual_machine_scale_sets.begin_create_or_update(
            azure.resource_group, "flex", {"location": azure.location, "properties": {"orchestrationMode": "Flexible"}}
        ).result()
        body = vm_body(azure, virtualMachineScaleSet={"id": made.id})
        client.virtual_machines.begin_create_or_update(azure.resource_group, "vm-1", body).result()
        text = f"'virtualMachineScaleSet/id' eq '{made.id}'"
        found = list(client.virtual_machines.list(azure.resource_group, filter=text, expand="instanceView"))
        assert [vm.name for vm in found] == ["vm-1"]
        assert found[0].instance_view.statuses[0].code == "ProvisioningState/succeeded"
        view = client.virtual_machine_scale_sets.get_instance_view(azure.resource_group, "flex")
        counts = {item.code: item.count for item in view.virtual_machine.statuses_summary}
        assert counts == {"PowerState/running": 1, "ProvisioningState/succeeded": 1}


def test_vms_spread_over_fault_domains(azure: SimulatedAzure) -> None:
    """The emptiest domain unless the VM names one; told in the instance view. With one domain nothing is told."""
    put_set(azure, platformFaultDomainCount=3)
    put_member(azure, "vm-0", platformFaultDomain=1)
    for number in range(1, 4):
        put_member(azure, f"vm-{number}")
    found = [arm(azure, "GET", vm_path(azure, f"vm-{n}/instanceView")).body["platformFaultDomain"] for n in range(4)]
    assert found == [1, 0, 2, 0]
    put_set(azure, "wide")
    put_member(azure, "vm-9", "wide")
    assert "platformFaultDomain" not in arm(azure, "GET", vm_path(azure, "vm-9/instanceView")).body


@pytest.mark.parametrize(
    ("of_set", "of_vm", "status", "code", "target"),
    [
        ({}, {"platformFaultDomain": 0}, 400, "InvalidParameter", "platformFaultDomain"),
        ({"platformFaultDomainCount": 2}, {"platformFaultDomain": 2}, 400, "InvalidParameter", "platformFaultDomain"),
        ({"orchestrationMode": "Uniform"}, {}, 400, "InvalidParameter", "virtualMachineScaleSet.id"),
        ({"top": {"zones": ["1", "2"]}}, {}, 400, "InvalidParameter", "zones"),
        ({"top": {"zones": ["1", "2"]}}, {"top": {"zones": ["3"]}}, 400, "InvalidParameter", "zones"),
        ({}, {"top": {"zones": ["1"]}}, 400, "InvalidParameter", "zones"),
        ({}, {"availabilitySet": {"id": "/x"}}, 400, "InvalidParameter", "virtualMachineScaleSet"),
    ],
)
def test_a_vm_that_does_not_fit_into_the_set_is_refused(
    azure: SimulatedAzure, of_set: dict[str, Any], of_vm: dict[str, Any], status: int, code: str, target: str
) -> None:
    """Each rule of joining, and no VM, address or disk is left."""
    assert put_set(azure, **of_set).status == 201
    answer = put_member(azure, "vm-1", **of_vm)
    assert (answer.status, answer.code, answer.body["error"]["target"]) == (status, code, target)
    assert azure.vms() == []
    assert arm(azure, "GET", f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces").body == {"value": []}
    assert arm(azure, "DELETE", set_path(azure, "flex")).status == 202


def test_a_vm_in_a_zone_of_the_set_joins(azure: SimulatedAzure) -> None:
    """Its zone has to be one of the set's."""
    put_set(azure, top={"zones": ["1", "2"]})
    made = put_member(azure, "vm-1", top={"zones": ["2"]})
    assert (made.status, made.body["properties"]["virtualMachineScaleSet"]["id"]) == (201, set_path(azure, "flex"))


def test_a_set_of_another_region_is_refused(azure: SimulatedAzure) -> None:
    """VMs and their set are in one region."""
    put_set(azure, top={"location": "northeurope"})
    assert put_member(azure, "vm-1").code == "InvalidParameter"


@pytest.mark.parametrize(
    ("size", "fault_domains", "most"),
    [
        ("Standard_D2ds_v5", 1, 1000),
        ("Standard_D2ds_v5", 3, 1000),
        ("Standard_HB120rs_v3", 1, 1000),
        ("Standard_HC44rs", 2, 200),
    ],
)
def test_a_set_has_room_for_so_many(size: str, fault_domains: int, most: int) -> None:
    """The documented maximum, which is smaller with fault domains and a size that cannot be paused for updates; a VM that goes
    makes room."""
    network = NetworkPlan("vnet", "g", (SubnetPlan("burst", ipaddress.IPv4Network("10.0.0.0/16")),))
    plan = SubscriptionPlan("s", "s", {"g": "westeurope"}, (network,), ())
    world = World(Estate("t", "westeurope", (plan,), (), ()), ManualClock(), random.Random(1))
    group = world.group("s", "g")
    identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/flex"
    group.scale_sets["flex"] = ScaleSet(1, identity, "flex", "westeurope", 0.0, {}, {"orchestrationMode": "Flexible"})
    group.scale_sets["flex"].model["platformFaultDomainCount"] = fault_domains
    body = copy.deepcopy(GOOD)
    del body["zones"], body["properties"]["storageProfile"]["osDisk"]["name"]
    del body["properties"]["storageProfile"]["osDisk"]["diffDiskSettings"], body["properties"]["priority"]
    del body["properties"]["evictionPolicy"], body["properties"]["billingProfile"]
    body["properties"] |= {"virtualMachineScaleSet": {"id": identity}, "hardwareProfile": {"vmSize": size}}

    def make(number: int) -> VirtualMachine:
        return vm_factory.make(world, group, f"vm-{number}", vm_request.read(f"vm-{number}", body))

    made = [make(number) for number in range(most)]
    with pytest.raises(Refusal) as caught:
        make(most)
    assert (caught.value.status, caught.value.code, len(group.vms)) == (409, "OperationNotAllowed", most)
    world.drop_vm(made[0])
    assert make(most).name == f"vm-{most}"


def test_an_existing_vm_cannot_join(azure: SimulatedAzure) -> None:
    """Documented: "a VM can only be added to virtual machine scale set at creation time"."""
    put_set(azure)
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    answer = put_member(azure, "vm-1")
    assert (answer.status, answer.code) == (409, "PropertyChangeNotAllowed")


def test_a_set_with_vms_is_deleted_only_by_force_and_with_them() -> None:
    """Refused without forceDeletion; with it the VMs go first, and nobody joins any more."""
    with simulated_azure(clock=ManualClock(), delete_seconds=constant(30.0)) as azure:
        put_set(azure)
        put_member(azure, "vm-1")
        azure.advance(5)
        assert arm(azure, "DELETE", set_path(azure, "flex")).code == "OperationNotAllowed"
        assert arm(azure, "DELETE", set_path(azure, "flex") + "?forceDeletion=true").status == 202
        assert put_member(azure, "vm-2").code == "OperationNotAllowed"
        assert put_set(azure).code == "OperationNotAllowed"
        shown = arm(azure, "GET", set_path(azure, "flex")).body
        assert shown["properties"]["provisioningState"] == "Deleting"
        azure.advance(60)
        assert arm(azure, "GET", set_path(azure, "flex")).status == 404
        assert azure.vms() == []
