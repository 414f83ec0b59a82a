"""The questions that the simulated Azure asks at each point where something may go wrong, and the answers of the plan."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from slurm_azure.simulator.call import Answered, Call, Fate, Interrupted, Postponed, Reply
from slurm_azure.simulator.faults import effects, kinds, subjects
from slurm_azure.simulator.faults.armed import Armed
from slurm_azure.simulator.faults.kinds import Stage, stage
from slurm_azure.simulator.faults.plan import Fault, Matchers, Plan, Request, matches_operation, matches_request, matches_vm
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.trouble import (
    NO_BOOT_FAULT,
    NO_DELETION_FAULT,
    AllocationFault,
    BootFault,
    DeletionFault,
)
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World


class Actor(Protocol):
    """Who carries interventions out."""

    def begin(self, armed: Armed) -> None:
        """Let an intervention happen at its time."""
        ...

    def evict(self, vm: VirtualMachine, seconds: float) -> None:
        """Evict a VM so many seconds from now, if it is still there."""
        ...


class Faults:
    """The faults that are in force. Every method is to be called in the event loop.

    Without `world` there are none. `seed` makes chance repeatable, None does not.
    """

    def __init__(self, world: World | None = None, seed: int | None = None) -> None:
        self._world = world
        self._seed = seed if seed is not None else random.SystemRandom().getrandbits(63)
        self._plan_seed: int | None = None
        self._began = world.clock.now() if world is not None else 0.0
        self._actor: Actor | None = None
        self._armed: dict[str, Armed] = {}
        self._at: dict[Stage, list[Armed]] = {}
        self._of_operation: dict[tuple[Stage, str], tuple[Armed, ...]] = {}

    # What the control endpoint asks for

    def attach(self, actor: Actor) -> None:
        """Who carries interventions out, from now on."""
        self._actor = actor

    def load(self, plan: Plan) -> None:
        """Put a plan in the place of all that is in force; its clock starts now."""
        self.clear()
        self._plan_seed = plan.seed
        self.add(plan.faults)

    def add(self, faults: Sequence[Fault]) -> None:
        """Put further faults, with names of their own, in force; their clock starts now."""
        assert self._world is not None
        seed = self._seed if self._plan_seed is None else self._plan_seed
        now = self._world.clock.now()
        new = [Armed(fault, self._began if fault.rule.from_start else now, seed) for fault in faults]
        self._armed |= {armed.fault.name: armed for armed in new}
        self._index()
        for armed in new:
            if stage(armed.fault.what) is Stage.INTERVENTION and self._actor is not None:
                self._actor.begin(armed)

    def remove(self, name: str) -> bool:
        """Take a fault back; False if there is none of that name. What it has done stays done, limits are lifted."""
        armed = self._armed.pop(name, None)
        if armed is None:
            return False
        armed.cancel()
        self._index()
        return True

    def clear(self) -> None:
        """Take all faults back."""
        for armed in self._armed.values():
            armed.cancel()
        self._armed.clear()
        self._index()

    def names(self) -> tuple[str, ...]:
        """The names of all that are in force or were until their window closed."""
        return tuple(self._armed)

    def as_json(self) -> list[Mapping[str, Any]]:
        """All faults with their counters."""
        assert self._world is not None
        now = self._world.clock.now()
        return [armed.as_json(now) for armed in self._armed.values()]

    def _index(self) -> None:
        self._at = {}
        self._of_operation = {}
        for armed in self._armed.values():
            self._at.setdefault(stage(armed.fault.what), []).append(armed)

    # What the services ask

    def before(self, call: Call) -> None:
        """A request is about to be answered; `call.operation` is known. Raises Refusal, Answered, Interrupted or Postponed."""
        if Stage.REQUEST not in self._at:
            return
        if call.postponed:
            verdict, call.verdict = call.verdict, None
            if verdict is not None:
                raise verdict
            return
        wait, verdict = 0.0, None
        holds: list[asyncio.Event] = []
        for armed, request in self._struck(Stage.REQUEST, call):
            if isinstance(armed.fault.what, kinds.Pause):
                holds.append(self._hold(armed))
            elif isinstance(armed.fault.what, kinds.Latency):
                wait += armed.seconds(armed.fault.what.seconds)
            elif verdict is None:
                slow, verdict = self._verdict(armed, call, request)
                wait += slow
            else:
                continue
            self._note(armed, call, request)
        if wait or holds:
            call.verdict = verdict
            raise Postponed(wait, holds)
        if verdict is not None:
            raise verdict

    def _struck(self, at: Stage, call: Call) -> Iterator[tuple[Armed, Request]]:
        """The faults of that stage that a request is to be struck by. Facts are gathered once, if at all."""
        world = self._world
        assert world is not None
        now, request = world.clock.now(), None
        for armed in self._relevant(at, call.operation):
            if not armed.in_force(now):
                continue
            request = request or subjects.of_call(world, call)
            matchers = armed.fault.matchers
            by_item = at is Stage.ANSWER and isinstance(armed.fault.what, kinds.BY_ITEM)
            matching = matches_request(matchers, request) and (by_item or matches_vm(matchers, request.vm))
            if matching and effects.concerns(armed.fault.what, call) and (by_item or armed.match()):
                yield armed, request

    def _relevant(self, at: Stage, operation: str) -> tuple[Armed, ...]:
        """The faults of that stage for an operation; there are no more operations than routes."""
        found = self._of_operation.get((at, operation))
        if found is None:
            found = tuple(a for a in self._at.get(at, ()) if matches_operation(a.fault.matchers, operation))
            self._of_operation[at, operation] = found
        return found

    def _hold(self, armed: Armed) -> asyncio.Event:
        """What is set when a pause is over, or is taken back."""
        assert self._world is not None
        if armed.over is None:
            until = armed.fault.rule.until
            assert until is not None
            armed.over = asyncio.Event()
            left = armed.since + until - self._world.clock.now()
            armed.timers.append(self._world.clock.call_later(max(0.0, left), armed.over.set))
        return armed.over

    def _verdict(self, armed: Armed, call: Call, request: Request) -> tuple[float, Exception | None]:
        assert self._world is not None
        words = subjects.words_of_call(self._world, call, request)
        found = effects.verdict(armed, call, words, self._world.clock.now())
        if isinstance(found, float):
            return found, None
        if isinstance(found, Fate):
            return 0.0, Interrupted(found)
        return 0.0, found if isinstance(found, Refusal) else Answered(found)

    def _note(self, armed: Armed, call: Call, request: Request) -> None:
        armed.hit(request.vm.name if request.vm is not None else call.operation)
        call.faults.append(armed.fault.name)

    def after(self, call: Call, reply: Reply) -> Reply:
        """A request was answered, its effect has taken place: the reply as it will reach the caller, if it does. Requests that
        were refused had none, and are left alone."""
        if Stage.ANSWER not in self._at or not 0 < reply.status < 400:
            return reply
        for armed, request in self._struck(Stage.ANSWER, call):
            what = armed.fault.what
            if isinstance(what, kinds.BY_ITEM):
                self._thin_out(armed, call, request, reply)
            elif isinstance(what, kinds.Latency):
                reply.delay += armed.seconds(what.seconds)
                self._note(armed, call, request)
            elif reply.fate is Fate.SENT:
                effects.spoil(what, reply)
                self._note(armed, call, request)
        return reply

    def _thin_out(self, armed: Armed, call: Call, request: Request, reply: Reply) -> None:
        """What strikes the items of a list: each item that is hit counts."""

        def struck(item: Mapping[str, Any]) -> bool:
            vm = self._vm_of(item)
            if vm is None or not matches_vm(armed.fault.matchers, subjects.of_vm(vm)) or not armed.match():
                return False
            armed.hit(vm.name)
            return True

        if effects.thin_out(armed, reply, struck):
            call.faults.append(armed.fault.name)

    def _vm_of(self, item: Mapping[str, Any]) -> VirtualMachine | None:
        assert self._world is not None
        parts = str(item.get("id", "")).lower().split("/")
        group = self._world.groups.get((parts[2], parts[4])) if len(parts) == 9 else None
        return group.vms.get(parts[8]) if group is not None else None

    # What the life of a VM asks

    def allocation(self, vm: VirtualMachine) -> AllocationFault | None:
        """The error with which the asynchronous part of a create ends, or of a start that needs a host, asked as it begins;
        None if it goes on. Faults that name an operation other than the create are asked for by `ending`."""
        if Stage.ALLOCATION not in self._at:
            return None
        kind = _kind(vm)
        creating = kind == "VirtualMachines_CreateOrUpdate"
        return self._failing(vm, lambda m: m.operation is None or (creating and matches_operation(m, kind)))

    def ending(self, vm: VirtualMachine) -> AllocationFault | None:
        """The error with which an operation on `vm` that has just begun ends, other than a create; None if it goes on."""
        if Stage.ALLOCATION not in self._at:
            return None
        kind = _kind(vm)
        return self._failing(vm, lambda m: m.operation is not None and matches_operation(m, kind))

    def ending_of(self, kind: str, resource: str, location: str) -> AllocationFault | None:
        """The same for an operation on something else than a VM."""
        if Stage.ALLOCATION not in self._at:
            return None
        assert self._world is not None
        now, request, struck = self._world.clock.now(), Request(kind, "", (), location), None
        for armed in self._at[Stage.ALLOCATION]:
            matchers = armed.fault.matchers
            meant = matchers.operation is not None and matches_operation(matchers, kind) and matches_vm(matchers, None)
            if meant and matches_request(matchers, request) and armed.in_force(now) and armed.match():
                struck = struck or armed
        if struck is None:
            return None
        words = {"operation": kind, "id": resource, "location": location, "subscription": resource.split("/")[2]}
        return _failure(struck, effects.code_and_message(struck.fault.what, words), resource.rsplit("/", 1)[-1])

    def _failing(self, vm: VirtualMachine, suits: Callable[[Matchers], bool]) -> AllocationFault | None:
        for armed in self._striking(Stage.ALLOCATION, vm, suits):
            return _failure(armed, self._words(armed.fault.what, vm), vm.name)
        return None

    def boot(self, vm: VirtualMachine) -> BootFault:
        """What goes wrong with the machine of `vm`, asked once per boot: the first fault that strikes."""
        if Stage.BOOT not in self._at:
            return NO_BOOT_FAULT
        kind = _kind(vm)
        for armed in self._striking(Stage.BOOT, vm, lambda m: matches_operation(m, kind)):
            armed.hit(vm.name)
            what = armed.fault.what
            if isinstance(what, kinds.Error):
                return effects.failing_boot(armed, self._words(what, vm))
            if what.evicted_after is not None and self._actor is not None:
                self._actor.evict(vm, armed.seconds(what.evicted_after))
            return effects.bad_boot(armed)
        return NO_BOOT_FAULT

    def deletion(self, vm: VirtualMachine) -> DeletionFault:
        """What goes wrong with the deletion of `vm`, asked once per deletion: the first fault that strikes."""
        if Stage.DELETION not in self._at:
            return NO_DELETION_FAULT
        for armed in self._striking(Stage.DELETION, vm):
            armed.hit(vm.name)
            what = armed.fault.what
            seconds = armed.seconds(what.seconds)
            failure = (what.code, what.message) if isinstance(what, kinds.FailedDelete) else None
            return DeletionFault(seconds, failure)
        return NO_DELETION_FAULT

    def _striking(
        self, at: Stage, vm: VirtualMachine, suits: Callable[[Matchers], bool] = lambda matchers: True
    ) -> Iterator[Armed]:
        """The faults of that stage that strike a VM, of those that are suited. All are asked, so that what one does changes
        nothing of another's counting."""
        assert self._world is not None
        now, facts = self._world.clock.now(), subjects.of_vm(vm)
        found = []
        for armed in self._at[at]:
            matchers = armed.fault.matchers
            if suits(matchers) and armed.in_force(now) and matches_vm(matchers, facts) and armed.match():
                found.append(armed)
        return iter(found)

    def _words(self, error: kinds.Error, vm: VirtualMachine) -> tuple[str, str]:
        assert self._world is not None
        return effects.code_and_message(error, subjects.words_of_vm(self._world, vm))

    # States

    def list_lag(self) -> float:
        """By how many seconds lists of VMs are behind."""
        if Stage.STATE not in self._at:  # asked at every change of a VM
            return 0.0
        return max((what.seconds for what in self._states(kinds.ListLag)), default=0.0)

    def skew(self) -> float:
        """By how many seconds the clock of token endpoint and token checks is ahead of the world's."""
        return float(sum(what.seconds for what in self._states(kinds.ClockSkew)))

    def _states(self, kind: type[Any]) -> list[Any]:
        if Stage.STATE not in self._at:
            return []
        assert self._world is not None
        now = self._world.clock.now()
        return [a.fault.what for a in self._at[Stage.STATE] if isinstance(a.fault.what, kind) and a.in_force(now)]


def _kind(vm: VirtualMachine) -> str:
    """What began the operation on `vm`, '' where there is none or nobody asked for it."""
    return vm.operation.kind if vm.operation is not None else ""


def _failure(armed: Armed, error: tuple[str, str], whom: str) -> AllocationFault:
    armed.hit(whom)
    span = armed.fault.what.seconds
    return AllocationFault(*error, None if span is None else armed.seconds(span))
