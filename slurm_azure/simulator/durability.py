"""What outlives the simulator's process: Azure does not forget when a program is killed.

The whole world is written to one file before an answer leaves that tells of a change, so that a simulator which was killed
with -9 and is started again knows all it ever told anybody. The file is a pickle: whoever can write to it can run code here.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
from collections.abc import Callable
from copyreg import __newobj__, dispatch_table  # type: ignore[attr-defined]
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from slurm_azure.errors import UsageError
from slurm_azure.simulator.world import reserved
from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

_FORMAT: Final = "slurm-azure simulated world 1"
_PAUSE: Final = 0.02  # seconds in which further changes come into the same file: a burst is written a few times, not each time
_ATTRIBUTES: Final = ("groups", "subnets", "identities", "vms_by_address")
# Of the process, not of the world: timers, tasks, machines.
_OF_THE_PROCESS: Final = {"timer": None, "faulty": (), "booting": None, "machine": None, "fault": None, "awaited": False}
_FIELDS: Final = tuple(field.name for field in fields(VirtualMachine) if field.name not in _OF_THE_PROCESS)


class Durability:
    """Keeps `world` in `file`. To be used in the event loop."""

    def __init__(self, world: World, file: Path) -> None:
        self._world = world
        self._file = file
        self._written = world.history.changes
        self._writing: asyncio.Future[None] | None = None

    def restore(self) -> bool:
        """Make the world what the file says; False if there is no file yet. Raises UsageError for a file that is not ours."""
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return False
        try:
            told, found = pickle.loads(content)
        except Exception as error:  # a pickle that is broken raises whatever it likes
            raise UsageError(f"--world {self._file}: not the state of a simulator: {error}") from None
        if told != _FORMAT:
            raise UsageError(f"--world {self._file}: written by another version ({told}): remove it to begin anew")
        _put(self._world, found)
        return True

    async def settled(self, changed: bool) -> None:
        """Return when all that has happened is in the file. `changed`: something has that the history does not tell of."""
        if changed or self._world.history.changes != self._written or self._writing is not None:
            if self._writing is None:
                loop = asyncio.get_running_loop()
                self._writing = loop.create_future()
                loop.call_later(_PAUSE, self._write)
            await asyncio.shield(self._writing)

    def _write(self) -> None:
        done, self._writing = self._writing, None
        assert done is not None
        try:
            self._written = self._world.history.changes
            draft = self._file.with_name(self._file.name + ".new")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(_picture(self._world))
            draft.replace(self._file)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)


def _picture(world: World) -> bytes:
    """The world as bytes. Not synced to the disk: a process that is killed loses nothing by that."""
    found: dict[str, Any] = {name: getattr(world, name) for name in _ATTRIBUTES}
    found |= {"sequence": world.sequence, "operations": world.operations.picture(), "random": world.random.getstate()}
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = dispatch_table | {VirtualMachine: _reduced, Size: _named}
    pickler.dump((_FORMAT, found))
    return buffer.getvalue()


def _reduced(vm: VirtualMachine) -> tuple[Callable[..., Any], tuple[type], tuple[None, dict[str, Any]]]:
    return __newobj__, (VirtualMachine,), (None, _OF_THE_PROCESS | {name: getattr(vm, name) for name in _FIELDS})


def _named(size: Size) -> tuple[type, tuple[str]]:
    return str, (size.name,)  # the table of sizes is the program's


def _put(world: World, found: dict[str, Any]) -> None:
    for name in _ATTRIBUTES:
        setattr(world, name, found[name])
    world.sequence = found["sequence"]
    world.random.setstate(found["random"])
    world.operations.put_back(*found["operations"])
    for group in world.groups.values():
        for vm in group.vms.values():
            vm.size = _found(world, str(vm.size))
            _charge(world, vm)
        for reservations in group.reservation_groups.values():
            for reservation in reservations.reservations.values():
                reserved.settle(world, reservation)


def _found(world: World, name: str) -> Size:
    size = world.skus.find(name)
    if size is None:
        raise UsageError(f"--world: a VM there has the size {name}, which this estate does not have")
    return size


def _charge(world: World, vm: VirtualMachine) -> None:
    """What a VM takes of quotas and hosts is its own, whatever the limits are now."""
    world.quotas.resize(vm, vm.size, back=True)
    if vm.hosted:
        world.capacity.keep(vm)
        world.bids.enter(vm)
