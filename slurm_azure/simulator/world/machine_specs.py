"""From a VM to the machine behind it."""

from __future__ import annotations

from slurm_azure.simulator.machines.machine import MachineSpec
from slurm_azure.simulator.world.vm import VirtualMachine


def machine_spec(vm: VirtualMachine, silent: bool = False, failure: str | None = None) -> MachineSpec:
    """What the machine behind a VM is made of. `silent`: its guest never reports; `failure`: why its guest cannot be
    provisioned."""
    profile = vm.model.get("osProfile", {})
    linux = profile.get("linuxConfiguration", {})
    nic = vm.primary
    return MachineSpec(
        vm_id=vm.vm_id,
        vm_name=vm.name,
        computer_name=vm.computer_name,
        admin_username=profile.get("adminUsername", ""),
        packed_custom_data=vm.custom_data,
        packed_user_data=vm.user_data,
        ssh_keys=tuple(key["keyData"] for key in linux.get("ssh", {}).get("publicKeys", ())),
        vm_size=vm.size.name,
        vcpus=vm.size.vcpus,
        memory_mib=vm.size.memory_mib,
        mac=nic.mac,
        ip=nic.ip,
        prefix=nic.subnet.prefix.prefixlen,
        gateway=nic.subnet.gateway,
        tags=vm.tags,
        silent=silent,
        failure=failure,
    )
