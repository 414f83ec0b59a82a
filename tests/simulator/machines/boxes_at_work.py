"""Run in walls of its own by test_namespace.py: a simulated Azure with machines of grade namespace, some of them faulty.

Arguments: the root file system, and a folder. What was seen is one JSON object on stdout.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurm_azure.demo.fabric import BURST_SUBNET, build_fabric
from slurm_azure.simulator.machines import box
from slurm_azure.simulator.options import Address, SimulatorOptions
from slurm_azure.simulator.serve import Simulator
from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.operations import Operation
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine

SUBSCRIPTION, GROUP = "7e571e57-0000-4000-8000-00000000b001", "g"
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet/subnets/burst"
TICKING = b"#cloud-config\nruncmd:\n - [sh, -c, 'while :; do echo tick >> /root/ticks; sleep 0.1; done &']\n"
PLAN = {
    "faults": [
        {"vm": "bad", "what": {"kind": "boot", "cloud_init_fails": "no disk"}},
        {"vm": "cut", "what": {"kind": "boot", "never_joins": True}},
        {"vm": "mute", "what": {"kind": "boot", "never_ready": True}},
    ]
}
# What a guest gets from its metadata service, and whether it reaches a server elsewhere.
ASK = """
import socket, urllib.request
url = "http://169.254.169.254/metadata/instance/compute/name?api-version=2021-02-01&format=text"
print(urllib.request.urlopen(urllib.request.Request(url, headers={"Metadata": "true"}), timeout=5).read().decode())
try:
    socket.create_connection(("10.77.0.1", 443), timeout=1)
    print("open")
except OSError:
    print("closed")
"""


def estate(folder: Path) -> Path:
    network = {"name": "vnet", "resource_group": GROUP, "subnets": {"burst": BURST_SUBNET}}
    subscription = {"id": SUBSCRIPTION, "name": "s", "resource_groups": {GROUP: "westeurope"}, "virtual_networks": [network]}
    tenant = "7e571e57-0000-4000-8000-00000000a001"
    file = folder / "estate.json"
    file.write_text(json.dumps({"tenant": tenant, "location": "westeurope", "subscriptions": [subscription]}))
    return file


def body(name: str) -> dict[str, Any]:
    address = {"name": "ipc0", "properties": {"primary": True, "subnet": {"id": SUBNET}}}
    interface = {"primary": True, "deleteOption": "Delete", "ipConfigurations": [address]}
    profile = {
        "computerName": name,
        "adminUsername": "azureuser",
        "customData": base64.b64encode(TICKING).decode(),
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nz test"}]},
        },
    }
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
        },
        "osProfile": profile,
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": "nic0", "properties": interface}],
        },
    }
    return {"location": "westeurope", "properties": properties}


async def until(true: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    late = time.monotonic() + seconds
    while not true():
        if time.monotonic() > late:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


class Boxes:
    """The VMs, and what can be seen of them from outside."""

    def __init__(self, provisioning: Provisioning, folder: Path) -> None:
        self.provisioning, self._folder = provisioning, folder
        self._world = provisioning._world

    def create(self, name: str) -> VirtualMachine:
        group = self._world.group(SUBSCRIPTION, GROUP)
        vm = vm_factory.make(self._world, group, name, vm_request.read(name, body(name)))
        self.provisioning.create(vm)
        return vm

    def first(self, vm: VirtualMachine) -> int:
        """The pid of the VM's first process."""
        found = box.first_process(self._folder / "machines" / vm.vm_id)
        assert found is not None
        return found

    async def asked(self, vm: VirtualMachine) -> list[str]:
        """What ASK prints in the VM."""
        pipe = asyncio.subprocess.PIPE
        argv = [*box.enter(self.first(vm)), "/usr/bin/python3", "-c", ASK]
        process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        out, _ = await process.communicate()
        return out.decode().split()

    async def ticks(self, vm: VirtualMachine, seconds: float) -> int:
        """How much the guest's own loop writes in that time."""
        file = f"/proc/{self.first(vm)}/root/root/ticks"
        before = os.stat(file).st_size
        await asyncio.sleep(seconds)
        return os.stat(file).st_size - before


async def observe(boxes: Boxes) -> dict[str, Any]:
    """Boot, look, stop, start; in the end nothing is left."""
    vms = {name: boxes.create(name) for name in ("good", "bad", "cut", "mute")}
    await until(lambda: all(vms[name].provisioning != "Creating" for name in ("good", "bad", "cut")), "three reports")
    good, cut = vms["good"], vms["cut"]
    await until(lambda: b"finished at" in console(good), "the end of cloud-init")
    seen: dict[str, Any] = {"states": {name: [vm.provisioning, vm.power] for name, vm in vms.items()}}
    seen["failure"], seen["bad console"] = vms["bad"].failure, console(vms["bad"]).decode()
    seen["mute console"] = console(vms["mute"]).decode()
    seen["asked"] = {vm.name: await boxes.asked(vm) for vm in (good, cut)}
    seen["paused"] = await paused(boxes, good)
    seen["operations"] = [await ended(operation) for operation in operations(boxes.provisioning, good)]
    boxes.provisioning.die(good, "running")
    await until(lambda: good.machine is None, "death")
    seen["dead"] = good.power
    for vm in vms.values():
        boxes.provisioning.delete(vm)
    await until(lambda: not any(boxes._world.groups_of(SUBSCRIPTION).__next__().vms.values()), "the end of all VMs")
    seen["left"] = [str(place) for place in (boxes._folder / "machines").iterdir()]
    return seen


def console(vm: VirtualMachine) -> bytes:
    return vm.machine.console() if vm.machine is not None else b""


async def paused(boxes: Boxes, vm: VirtualMachine) -> list[int]:
    assert vm.machine is not None
    await vm.machine.pause()
    still = await boxes.ticks(vm, 0.5)
    await vm.machine.resume()
    return [still, await boxes.ticks(vm, 1.0)]


def operations(provisioning: Provisioning, vm: VirtualMachine) -> Any:
    """Each begun when the one before has ended."""
    yield provisioning.restart(vm)
    yield provisioning.deallocate(vm)
    yield provisioning.start(vm)


async def ended(operation: Operation) -> str:
    await until(lambda: operation.status != "InProgress", "an operation")
    return operation.status


async def main(image: Path, folder: Path) -> None:
    build_fabric()
    plan = folder / "plan.json"
    plan.write_text(json.dumps(PLAN))
    at_once = constant(0.1)
    options = SimulatorOptions(
        folder=folder,
        listen=Address("10.77.0.1", 443),
        imds=(Address("169.254.169.254", 80), Address("168.63.129.16", 80)),
        estate=estate(folder),
        machines="namespace",
        image=image,
        faults=plan,
        create_seconds=at_once,
        delete_seconds=at_once,
        stop_seconds=at_once,
    )
    simulator = Simulator(options)
    try:
        await simulator.start()
        assert simulator._provisioning is not None
        seen = await observe(Boxes(simulator._provisioning, folder))
    finally:
        await simulator.stop()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
