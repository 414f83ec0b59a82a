"""VMs as the world keeps them, made without a request: for what is decided on a VM alone."""

from __future__ import annotations

import itertools
from typing import Any

from slurm_azure.simulator.world.skus import Size, Skus
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import ResourceGroup

SUBSCRIPTION = "7e571e57-0000-4000-8000-00000000b009"
_SKUS = Skus()
_numbers = itertools.count(1)


def a_size(name: str) -> Size:
    """A size of the table."""
    found = _SKUS.find(name)
    assert found is not None
    return found


def a_vm(
    size: str = "Standard_D2s_v5",
    *,
    zone: str | None = None,
    priority: str = "Regular",
    location: str = "westeurope",
    subscription: str = SUBSCRIPTION,
    **model: Any,
) -> VirtualMachine:
    """A VM of that size without interfaces and disks; `model` is merged over its properties."""
    number = next(_numbers)
    group = ResourceGroup(subscription, "g", location)
    properties: dict[str, Any] = {"hardwareProfile": {"vmSize": size}, "storageProfile": {"osDisk": {}}, "priority": priority}
    return VirtualMachine(
        sequence=number,
        id=f"/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm-{number}",
        name=f"vm-{number}",
        group=group,
        location=location,
        vm_id=str(number),
        created=0.0,
        computer_name=f"vm-{number}",
        size=a_size(size),
        model=properties | model,
        tags={},
        zones=[zone] if zone else None,
        plan=None,
        custom_data=None,
        user_data=None,
        system_identity=None,
        identities=(),
    )
