"""Whatever a client sends, the answer is Azure's: never a failure of the simulator itself."""

from __future__ import annotations

import copy
import ipaddress
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurm_azure.simulator import instance_document
from slurm_azure.simulator.arm import disks, network, vm_json
from slurm_azure.simulator.estate import Estate, NetworkPlan, SubnetPlan, SubscriptionPlan
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import subnet_id
from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.machine_specs import machine_spec
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World
from tests.support.simulated_azure import ManualClock

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)

GOOD: dict[str, Any] = {
    "location": "westeurope",
    "tags": {"a": "b"},
    "zones": ["1"],
    "plan": {"name": "n"},
    "identity": {"type": "UserAssigned", "userAssignedIdentities": {}},
    "properties": {
        "hardwareProfile": {"vmSize": "Standard_D2ds_v5"},
        "priority": "Spot",
        "evictionPolicy": "Delete",
        "billingProfile": {"maxPrice": -1},
        "userData": "dXNlcg==",
        "storageProfile": {
            "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "v"},
            "osDisk": {
                "createOption": "FromImage",
                "caching": "ReadOnly",
                "name": "disk",
                "diskSizeGB": 30,
                "deleteOption": "Delete",
                "diffDiskSettings": {"option": "Local"},
                "managedDisk": {"storageAccountType": "Premium_LRS"},
            },
            "dataDisks": [{"lun": 0, "createOption": "Empty", "diskSizeGB": 8, "managedDisk": {}}],
        },
        "osProfile": {
            "computerName": "n1",
            "adminUsername": "azureuser",
            "customData": "Y3VzdG9t",
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-rsa AAAA"}]},
            },
        },
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [
                {
                    "name": "nic",
                    "tags": {"c": "d"},
                    "properties": {
                        "primary": True,
                        "deleteOption": "Delete",
                        "networkSecurityGroup": {"id": "/nsg"},
                        "dnsSettings": {"dnsServers": ["10.0.0.2"]},
                        "ipConfigurations": [
                            {"name": "c", "properties": {"subnet": {"id": subnet_id("s", "g", "vnet", "burst")}}}
                        ],
                    },
                }
            ],
        },
    },
}


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all members of a body."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [way] if way else []
    for key, item in members:
        found += places(item, (*way, key))
    return found


def a_world() -> World:
    plan_of_network = NetworkPlan("vnet", "g", (SubnetPlan("burst", ipaddress.IPv4Network("10.0.0.0/29")),))
    plan = SubscriptionPlan("s", "s", {"g": "westeurope"}, (plan_of_network,), ())
    return World(Estate("t", "westeurope", (plan,), (), ()), ManualClock(), random.Random(1))


def create(world: World, body: dict[str, Any]) -> VirtualMachine | None:
    try:
        return vm_factory.make(world, world.group("s", "g"), "vm", vm_request.read("vm", body))
    except Refusal as refusal:
        return None if refusal.status in (400, 501) else pytest.fail(f"{refusal.status} is no refusal of a body")


def test_the_body_to_be_spoiled_is_good() -> None:
    """Unspoiled it makes a VM; there are enough places to spoil."""
    assert create(a_world(), copy.deepcopy(GOOD)) is not None
    assert len(places(GOOD)) > 50


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(places(GOOD)), ANYTHING)
def test_a_body_with_anything_anywhere_is_taken_or_refused(place: tuple[Any, ...], value: Any) -> None:
    """One member replaced by any JSON: a VM that can be shown in every way, or a refusal that leaves no trace."""
    body = copy.deepcopy(GOOD)
    owner: Any = body
    for part in place[:-1]:
        owner = owner[part]
    owner[place[-1]] = value
    world = a_world()
    vm = create(world, body)
    if vm is not None:
        machine_spec(vm)
        json.dumps([vm_json.expanded(vm, "t", "instanceView,userData"), instance_document.document(vm, "2023-07-01")])
        json.dumps([network.interface_json(vm.primary), *map(disks.disk_json, vm.disks)])
    else:
        group = world.group("s", "g")
        assert [*group.vms, *group.interfaces, *group.disks, *world.vms_by_address] == []
        assert next(iter(world.subnets.values())).addresses.free() == 3
