"""A Cloud that records what it is asked and answers what a test has set: for the daemon's tests and benchmarks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from slurm_azure.azure.cloud import Call, VmOrder, VmPower
from slurm_azure.errors import CreateRefused
from slurm_azure.model import Failure, Leftover, LeftoverKind, Vm, VmName, VmState


class RecordingCloud:
    """VMs are there, running, as soon as they are created, and gone as soon as they are deleted, unless a test says else.

    `orders` and `deleted` have every create and delete call, in order, `started`, `deallocated`, `removed` and `read_consoles`
    the others. `on_create` and the like run first and may raise what the seam allows. Each VM has an interface and a disk;
    `left` are those without a VM. Consoles are empty unless `consoles` has some text.
    `slow_deletes`: deleted VMs stay, as deleting, until `finish_deletes`.
    """

    def __init__(self) -> None:
        self.orders: list[VmOrder] = []
        self.deleted: list[VmName] = []
        self.lists = 0
        self.vms: dict[VmName, Vm] = {}
        self.new_state = VmState.SUCCEEDED
        self.slow_deletes = False
        self.causes: dict[VmName, Failure] = {}
        self.wait: dict[Call, float] = {}
        self.consoles: dict[VmName, str] = {}
        self.read_consoles: list[VmName] = []
        self.left: list[Leftover] = []
        self.removed: list[Leftover] = []
        self.deallocated: list[VmName] = []
        self.started: list[VmName] = []
        self.stopped: set[VmName] = set()
        self.untagged: set[VmName] = set()
        self.on_create: Callable[[VmOrder], None] = lambda order: None
        self.on_delete: Callable[[VmName], None] = lambda name: None
        self.on_list: Callable[[], None] = lambda: None
        self.on_console: Callable[[VmName], None] = lambda name: None
        self.on_leftovers: Callable[[], None] = lambda: None
        self.on_remove: Callable[[Leftover], None] = lambda leftover: None
        self.on_deallocate: Callable[[VmName], None] = lambda name: None
        self.on_start: Callable[[VmName], None] = lambda name: None
        self._lock = threading.Lock()

    def reserve(self, call: Call) -> float:
        return self.wait.get(call, 0.0)

    def create(self, order: VmOrder) -> None:
        with self._lock:
            self.orders.append(order)
        self.on_create(order)
        self.make(order)

    def make(self, order: VmOrder) -> None:
        """The effect of a create call."""
        offer = order.offer
        vm = Vm(order.vm_name, order.node, order.launch, order.pool, self.new_state, offer.size, offer.zone, offer.priority)
        with self._lock:
            if self.vms.setdefault(order.vm_name, vm).launch != order.launch:
                raise CreateRefused("PreconditionFailed", f"there is a VM {order.vm_name} already", 412)

    def delete(self, name: VmName) -> bool:
        with self._lock:
            self.deleted.append(name)
        self.on_delete(name)
        with self._lock:
            if name not in self.vms:
                return True
            if self.slow_deletes:
                self.vms[name] = replace(self.vms[name], state=VmState.DELETING)
            else:
                del self.vms[name]
                self.stopped.discard(name)
            return False

    def finish_deletes(self) -> None:
        """What is being deleted is gone."""
        with self._lock:
            self.vms = {name: vm for name, vm in self.vms.items() if vm.state is not VmState.DELETING}

    def list(self) -> Iterable[Vm]:
        with self._lock:
            self.lists += 1
        self.on_list()
        with self._lock:
            return tuple(vm for vm in self.vms.values() if vm.name not in self.untagged)

    def why_failed(self, name: VmName) -> Failure | None:
        return self.causes.get(name)

    def console(self, name: VmName) -> str | None:
        with self._lock:
            self.read_consoles.append(name)
        self.on_console(name)
        return self.consoles.get(name, "") if name in self.vms else None

    def leftovers(self) -> Iterable[Leftover]:
        self.on_leftovers()
        with self._lock:
            attached = [
                Leftover(kind, f"{vm.name}_{kind.name.lower()}", vm.node, vm.launch, vm.pool, vm.name, vm.created_at)
                for vm in self.vms.values()
                for kind in LeftoverKind
            ]
            return (*attached, *self.left)

    def remove(self, leftover: Leftover) -> bool:
        self.on_remove(leftover)
        with self._lock:
            if leftover.vm is not None and leftover.vm in self.vms:
                return False
            if leftover not in self.left:
                return True
            self.left.remove(leftover)
            self.removed.append(leftover)
            return False

    def deallocate(self, name: VmName) -> bool:
        with self._lock:
            self.deallocated.append(name)
        self.on_deallocate(name)
        with self._lock:
            if name in self.vms:
                self.stopped.add(name)
            return name not in self.vms

    def start(self, name: VmName) -> bool:
        with self._lock:
            self.started.append(name)
        self.on_start(name)
        with self._lock:
            self.stopped.discard(name)
            return name not in self.vms

    def power(self, name: VmName) -> VmPower | None:
        with self._lock:
            vm = self.vms.get(name)
            if vm is None:
                return None
            if name in self.stopped:
                return VmPower.DEALLOCATED
            return VmPower.RUNNING if vm.state is VmState.SUCCEEDED else VmPower.OTHER

    def close(self) -> None:
        pass
