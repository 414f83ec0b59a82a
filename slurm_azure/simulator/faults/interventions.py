"""What happens by itself, at its time: VMs are evicted, die, vanish or are joined by strangers, limits and prices change."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from slurm_azure.simulator.faults import kinds, strangers, subjects
from slurm_azure.simulator.faults.armed import Armed
from slurm_azure.simulator.faults.limits import HeldLimits
from slurm_azure.simulator.faults.plan import matches_vm
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import location_name
from slurm_azure.simulator.throttling import Throttling
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.scheduled_events import TERMINATE
from slurm_azure.simulator.world.vm import DELETING, VirtualMachine
from slurm_azure.simulator.world.world import World

log = logging.getLogger(__name__)

_AT_A_TIME = 200  # VMs that are looked at or acted upon before the event loop may do something else


class Interventions:
    """Carries out what happens by itself. Every method is to be called in the event loop."""

    def __init__(self, world: World, provisioning: Provisioning, throttling: Throttling) -> None:
        self._world = world
        self._provisioning = provisioning
        self._throttling = throttling
        self._clock = world.clock
        self._limits = HeldLimits(world)
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def begin(self, armed: Armed) -> None:
        """Let an intervention happen at its time; one whose time is over does not happen any more."""
        rule = armed.fault.rule
        elapsed = self._clock.now() - armed.since
        if rule.until is None or elapsed < rule.until:
            self._schedule(armed, rule.after - elapsed)

    def _schedule(self, armed: Armed, seconds: float) -> None:
        if seconds > 0:
            armed.timers[:] = [self._clock.call_later(seconds, lambda: self._now(armed))]
        else:
            self._now(armed)

    def _now(self, armed: Armed) -> None:
        """An intervention's time has come: it happens, unless chance decides otherwise, and is planned again."""
        rule = armed.fault.rule
        if armed.match():
            self._act(armed)
        more = rule.count is None or armed.tally.hits < rule.count
        if rule.interval is not None and more and armed.in_force(self._clock.now() + rule.interval):
            self._schedule(armed, rule.interval)

    def _act(self, armed: Armed) -> None:
        what = armed.fault.what
        if isinstance(what, kinds.Evict):
            self._pick(armed, what.vms, _evictable, lambda vm: self._provisioning.evict(vm, what.notice))
        elif isinstance(what, kinds.Die):
            self._pick(armed, what.vms, _alive, lambda vm: self._provisioning.die(vm, what.state))
        elif isinstance(what, kinds.Vanish):
            self._pick(armed, what.vms, _there, lambda vm: self._vanish(vm, what.at_once))
        elif isinstance(what, kinds.ScheduledEvent):
            self._pick(armed, what.vms, _alive, lambda vm: self._announce(vm, what))
        elif isinstance(what, kinds.AnotherClient):
            armed.hit(self._consume(what))
        elif isinstance(what, kinds.Stranger):
            self._meet(armed, what)
        else:
            self._limit(armed, what)

    def _pick(
        self,
        armed: Armed,
        number: int | None,
        fit: Callable[[VirtualMachine], bool],
        act: Callable[[VirtualMachine], None],
    ) -> None:
        armed.hit()
        task = asyncio.get_running_loop().create_task(self._picked(armed, number, fit, act))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _picked(
        self,
        armed: Armed,
        number: int | None,
        fit: Callable[[VirtualMachine], bool],
        act: Callable[[VirtualMachine], None],
    ) -> None:
        """Act upon as many VMs as there are, up to `number` (None = all), in an order that the fault's own chance gives."""
        found: list[VirtualMachine] = []
        await _in_steps(self._all(), lambda vm: found.append(vm) if self._suits(armed, vm, fit) else None)
        found.sort(key=lambda vm: _lot(armed, vm))
        await _in_steps(found[:number], lambda vm: self._do(armed, vm, fit, act))

    def _suits(self, armed: Armed, vm: VirtualMachine, fit: Callable[[VirtualMachine], bool]) -> bool:
        return fit(vm) and matches_vm(armed.fault.matchers, subjects.of_vm(vm))

    def _do(
        self, armed: Armed, vm: VirtualMachine, fit: Callable[[VirtualMachine], bool], act: Callable[[VirtualMachine], None]
    ) -> None:
        if fit(vm):  # still: a few rounds of the event loop have gone by
            armed.last.append(vm.name)
            act(vm)

    def _all(self) -> list[VirtualMachine]:
        return [vm for group in self._world.groups.values() for vm in group.vms.values()]

    def evict(self, vm: VirtualMachine, seconds: float) -> None:
        """Evict a VM so many seconds from now, if it is still there and one that can be evicted."""
        boot = vm.boots

        def act() -> None:
            if vm.boots == boot and _evictable(vm):
                self._provisioning.evict(vm)

        self._clock.call_later(seconds, act)

    def _vanish(self, vm: VirtualMachine, at_once: bool) -> None:
        """Somebody else deletes a VM. At once means that it is gone now and its machine as soon as that can be."""
        self._provisioning.delete(vm, force=at_once)

    def _announce(self, vm: VirtualMachine, what: kinds.ScheduledEvent) -> None:
        if what.event != TERMINATE:
            self._provisioning.announce(what.event, [vm], what.notice)
            return
        self._world.events.schedule(TERMINATE, [vm], lambda: self._vanish(vm, False), what.notice)

    def _consume(self, what: kinds.AnotherClient) -> str:
        subscription = what.subscription or next(iter(self._world.subscriptions.values())).id
        region = location_name(what.region or self._world.estate.location)
        taken = self._throttling.consume(what.budget, what.requests, subscription, region)
        return f"{taken} {what.budget}"

    def _meet(self, armed: Armed, what: kinds.Stranger) -> None:
        number = armed.tally.hits
        name = what.name if number == 0 else f"{what.name}-{number + 1}"
        try:
            armed.hit(strangers.appear(self._world, self._provisioning, what, name))
        except Refusal as refusal:
            log.warning("fault %s: %s %s cannot appear: %s", armed.fault.name, what.resource, name, refusal)
            armed.hit(f"refused: {refusal.code}")

    def _limit(self, armed: Armed, what: Any) -> None:
        """Limits and prices hold until the fault's window closes or it is taken back, then what held before does again."""
        if armed.lift is not None:
            armed.lift()
        armed.lift = self._limits.hold(armed.fault.matchers.location or (), what)
        armed.hit(type(what).__name__.lower())
        rule = armed.fault.rule
        if rule.until is not None:
            left = armed.since + rule.until - self._clock.now()
            armed.timers.append(self._clock.call_later(max(0.0, left), armed.let_go))


def _there(vm: VirtualMachine) -> bool:
    return vm.provisioning != DELETING and vm.group.vms.get(vm.name.lower()) is vm


def _alive(vm: VirtualMachine) -> bool:
    return _there(vm) and vm.power in ("starting", "running")


def _evictable(vm: VirtualMachine) -> bool:
    return vm.spot and vm.hosted and _there(vm)


def _lot(armed: Armed, vm: VirtualMachine) -> bytes:
    text = f"{armed.seed}/{armed.fault.name}/{armed.tally.matched}/{vm.name.lower()}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


async def _in_steps(vms: Sequence[VirtualMachine], act: Callable[[VirtualMachine], None]) -> None:
    for number, vm in enumerate(vms, 1):
        act(vm)
        if number % _AT_A_TIME == 0:
            await asyncio.sleep(0)
