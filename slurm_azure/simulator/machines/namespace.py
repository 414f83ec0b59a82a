"""Machines of the grade `namespace`: each VM is a box with a clock of its own, in which the real cloud-init with its real
Azure datasource runs the user data on the real packages of the image. A kernel and a disk are all it does not have."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from slurm_azure.simulator.machines import box as boxes
from slurm_azure.simulator.machines.box import Bind, Box
from slurm_azure.simulator.machines.console import Console
from slurm_azure.simulator.machines.fabric import METADATA, WIRE_SERVER, Fabric, FabricError, Lease
from slurm_azure.simulator.machines.layer import INIT, build_layer
from slurm_azure.simulator.machines.machine import Guest, Machine, MachineSpec
from slurm_azure.simulator.machines.provisioning import ASSET_TAG, put_files
from slurm_azure.simulator.machines.stuck import StuckMachine

log = logging.getLogger(__name__)

# Seconds after which a machine that is still booting no longer holds up those that wait for their turn.
BOOT_LIMIT: Final = 300.0
_EXPORTS = "/run/simulated-vm/exports"
_LOOK = 0.01


class NamespaceMachine:
    """One box from its boot to its end. `destroy` may be called at any moment, any number of times."""

    def __init__(self, box: Box, spec: MachineSpec, guest: Guest, fabric: Fabric) -> None:
        self._box, self._spec, self._guest, self._fabric = box, spec, guest, fabric
        self._console = Console()
        self._up = asyncio.Event()
        self._complaints: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._waiting = self._wanted = True
        self._life: asyncio.Task[None] | None = None

    def start(self, slots: asyncio.Semaphore, ended: Callable[[NamespaceMachine], None]) -> None:
        """Boot in the background, when one of `slots` is free. `ended` hears of the end."""
        self._life = asyncio.create_task(self._live(slots), name=f"machine {self._box.name}")
        self._life.add_done_callback(lambda _: ended(self))

    def console(self) -> bytes:
        """What the guest wrote to its serial console, the last part of it."""
        return self._console.text()

    async def destroy(self) -> None:
        """End the machine; when this returns nothing of it is left: process, mount, interface, lease or folder."""
        self._wanted = False
        if self._life is None:
            return
        if self._waiting:
            self._life.cancel()
        elif self._process is not None:
            await self._kill(self._process)
        await asyncio.wait([self._life])

    async def pause(self) -> None:
        """Stop every process in the box, its pid 1 last."""
        first = boxes.first_process(self._box.folder)
        if first is not None:
            await _run(*boxes.signal_all(first, "STOP"))
            _signal(first, signal.SIGSTOP)

    async def resume(self) -> None:
        """Let the box's processes go on."""
        first = boxes.first_process(self._box.folder)
        if first is not None:
            _signal(first, signal.SIGCONT)
            await _run(*boxes.signal_all(first, "CONT"))

    async def cut_off(self) -> None:
        """Leave the box no way but to the platform: nobody else gets an answer from it."""
        first = boxes.first_process(self._box.folder)
        if first is not None:
            for command in cut_off_commands(first, self._spec.gateway):
                await _run(*command)

    async def _live(self, slots: asyncio.Semaphore) -> None:
        try:
            async with slots:
                self._waiting = False
                process = await self._power_on()
                line = asyncio.create_task(self._listen(process))
                await self._booted(process)
            await process.wait()
            await line
        except (OSError, FabricError) as error:
            self._complaints.append(str(error))
        finally:
            await asyncio.shield(self._clean())
        if self._wanted:
            self._tell_end()

    async def _power_on(self) -> asyncio.subprocess.Process:
        self._box.folder.mkdir(parents=True)
        put_files(self._box.folder / "files", self._spec)
        self._fabric.add(Lease(self._spec.mac, self._spec.ip, self._spec.computer_name))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *boxes.command(self._box),
            env=boxes.variables(self._box),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )
        self._process = process
        if not self._wanted:  # destroyed while the process was being made
            await self._kill(process)
        return process

    async def _booted(self, process: asyncio.subprocess.Process) -> None:
        """Wait until cloud-init is through, the machine has ended, or it has had its time."""
        first = [asyncio.create_task(self._up.wait()), asyncio.create_task(process.wait())]
        await asyncio.wait(first, timeout=BOOT_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        for task in first:
            task.cancel()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Follow the serial console and the line to the hypervisor, until both end."""
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both are pipes")
        console = asyncio.create_task(self._console.follow(process.stdout))
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            if text == "up":
                self._up.set()
                self._guest.up()
            elif len(self._complaints) < 20:
                self._complaints.append(text)
        await console

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        """End the box's pid 1, not `unshare`: that one then ends when the kernel has reaped the whole namespace.

        The pid file is the first thing pid 1 writes; before it stands, `unshare` may not yet have tied its child's life
        to its own.
        """
        while process.returncode is None:
            first = boxes.first_process(self._box.folder)
            if first is not None:
                _signal(first, signal.SIGKILL)
                return
            await asyncio.sleep(_LOOK)

    async def _clean(self) -> None:
        """Take away what does not go with the processes; the kernel would drop the interface too, but in its own time."""
        self._fabric.remove(self._spec.mac)
        if self._process is not None:
            await _run("ip", "link", "delete", "dev", self._box.port)
        await asyncio.to_thread(shutil.rmtree, self._box.folder, ignore_errors=True)

    def _tell_end(self) -> None:
        if self._process is None or not self._console.text():
            self._guest.failed("; ".join(self._complaints) or "the machine could not be started")
        else:
            self._guest.stopped(f"pid 1 ended with status {self._process.returncode}")


def cut_off_commands(first: int, gateway: str) -> list[list[str]]:
    """The argv lists after which the box whose pid 1 is `first` finds no way but to the platform's two addresses, whatever
    routes it sets up later: rules come before routes (man ip-rule(8)). Its gateway stays a neighbour, or the way to the
    platform could not be set up."""
    rule = ["nsenter", f"--target={first}", "--net", "ip", "rule", "add"]
    kept = [[*rule, "priority", "100", "to", address, "lookup", "main"] for address in (METADATA, WIRE_SERVER, gateway)]
    return [*kept, [*rule, "priority", "101", "unreachable"]]


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


async def _run(*command: str) -> None:
    """Run a short command to its end; what it says is of no use to anybody."""
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=nothing)
    await process.wait()


class NamespaceHypervisor:
    """Boots machines as boxes on `bridge`, from the root file system `image` and the layer of stand-ins.

    `folder` is for what the machines need while they live; `exports` is the folder of the site's NFS exports (what a
    server exports as /share is its subfolder share); at most `boot_parallel` machines boot at once; `ca` is the
    certificate (PEM) the machines are to trust.
    """

    def __init__(self, image: Path, bridge: str, folder: Path, exports: Path | None, boot_parallel: int, ca: Path) -> None:
        self._image, self._bridge, self._folder, self._exports, self._ca = image, bridge, folder, exports, ca
        self._slots = asyncio.Semaphore(boot_parallel)
        self._fabric = Fabric(image, bridge, folder / "fabric")
        self._layer = folder / "layer"
        self._machines: set[NamespaceMachine] = set()

    async def start(self) -> None:
        """Build the layer and start the fabric. Raises FabricError if the bridge cannot be used."""
        await asyncio.to_thread(build_layer, self._layer, self._image, self._ca)
        await self._fabric.start()

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        """Start a machine and return at once; `guest` hears how it goes on. A silent one never gets past its firmware."""
        if spec.silent:
            return StuckMachine()
        machine = NamespaceMachine(self._box(spec), spec, guest, self._fabric)
        self._machines.add(machine)
        machine.start(self._slots, self._machines.discard)
        return machine

    async def close(self) -> None:
        """End all machines and the fabric."""
        await asyncio.gather(*(machine.destroy() for machine in self._machines))
        await self._fabric.close()

    def _box(self, spec: MachineSpec) -> Box:
        return Box(
            name="localhost",  # a fresh image has no name; cloud-init sets the VM's
            folder=self._folder / "machines" / spec.vm_id,
            layers=(self._layer, self._image),
            bridge=self._bridge,
            mac=spec.mac,
            init=INIT,
            environment={"VM_ADDRESS": f"{spec.ip}/{spec.prefix}", "VM_GATEWAY": spec.gateway},
            binds=() if self._exports is None else (Bind(self._exports, _EXPORTS),),
            own_clock=True,
            uuid=spec.vm_id,
            asset_tag=ASSET_TAG,
        )
