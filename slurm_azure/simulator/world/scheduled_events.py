"""Scheduled Events: what is going to happen to VMs, told to them ahead of time.

Source: "Azure Metadata Service: Scheduled Events for Linux VMs" (Microsoft Learn): kinds, notices, fields by version, who
hears of what, that an event starts when it is approved or its time has come, and that a finished one is no longer shown.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from slurm_azure.simulator.clock import Clock, Timer
from slurm_azure.simulator.world.operations import new_uuid
from slurm_azure.simulator.world.vm import VirtualMachine, part

FREEZE, REBOOT, REDEPLOY, PREEMPT, TERMINATE = "Freeze", "Reboot", "Redeploy", "Preempt", "Terminate"
PLATFORM, USER = "Platform", "User"
# Seconds from the announcement to NotBefore (of Terminate: the least that a VM may ask for), and without a request until the
# service is off again.
MINIMUM_NOTICE: Mapping[str, float] = {FREEZE: 900.0, REBOOT: 900.0, REDEPLOY: 600.0, PREEMPT: 30.0, TERMINATE: 300.0}
FORGOTTEN_AFTER = 86400.0

VERSIONS = ("2017-08-01", "2017-11-01", "2019-01-01", "2019-04-01", "2019-08-01", "2020-07-01")
_SINCE = {PREEMPT: "2017-11-01", TERMINATE: "2019-01-01"}
_MEMBERS_SINCE = {"Description": "2019-04-01", "EventSource": "2019-08-01", "DurationInSeconds": "2020-07-01"}

# The texts of the page, where it has one for the case; a preemption and a deletion have none.
_DESCRIPTIONS = {
    (FREEZE, PLATFORM): "Virtual machine is being paused because of a memory-preserving Live Migration operation.",
    (REBOOT, PLATFORM): "Host server is undergoing maintenance.",
    (REDEPLOY, PLATFORM): "Host server is undergoing an emergency repair.",
    (REBOOT, USER): "Virtual machine is going to be restarted as requested by authorized user.",
    (REDEPLOY, USER): "Virtual machine is going to be redeployed as requested by authorized user.",
}


@dataclass(slots=True, eq=False)
class Event:
    """One event. `not_before` in seconds since 1970; `duration` in seconds, -1 = not known; `begin` is what it does."""

    id: str
    kind: str
    vms: tuple[VirtualMachine, ...]
    not_before: float
    source: str
    duration: int
    begin: Callable[[], None]
    started: bool = False
    timer: Timer | None = None

    def as_json(self, version: str) -> dict[str, Any]:
        """The event as a document of that version shows it."""
        shown = {
            "EventId": self.id,
            "EventStatus": "Started" if self.started else "Scheduled",
            "EventType": self.kind,
            "ResourceType": "VirtualMachine",
            "Resources": [vm.name for vm in self.vms],
            "NotBefore": "" if self.started else formatdate(self.not_before, usegmt=True),
            "Description": _DESCRIPTIONS.get((self.kind, self.source), ""),
            "EventSource": self.source,
            "DurationInSeconds": self.duration,
        }
        return {name: value for name, value in shown.items() if version >= _MEMBERS_SINCE.get(name, "")}


@dataclass(slots=True, eq=False)
class _Circle:
    """VMs that hear of each other's events; `asked` is when one of them last asked (seconds since 1970), `texts` what they are
    shown at present, by version. There may be a thousand VMs, each with an event, that all ask every second."""

    incarnation: int = 1
    events: dict[Event, None] = field(default_factory=dict)
    of_vm: dict[VirtualMachine, list[Event]] = field(default_factory=dict)
    asked: float | None = None
    texts: dict[str, bytes] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """One more event."""
        self.events[event] = None
        for vm in event.vms:
            self.of_vm.setdefault(vm, []).append(event)
        self.changed()

    def drop(self, event: Event) -> None:
        """One event less."""
        del self.events[event]
        for vm in event.vms:
            self.part(event, vm)
        self.changed()

    def part(self, event: Event, vm: VirtualMachine) -> None:
        """An event concerns a VM no longer."""
        left = self.of_vm[vm]
        left.remove(event)
        if not left:
            del self.of_vm[vm]

    def changed(self) -> None:
        """Whoever asks is shown something else from now on."""
        self.incarnation += 1
        self.texts.clear()


class ScheduledEvents:
    """All events that are announced or under way. What it costs to answer a VM goes by its circle's events alone."""

    def __init__(self, clock: Clock, source: random.Random) -> None:
        self._clock = clock
        self._random = source
        self._circles: dict[str, _Circle] = {}

    def schedule(
        self,
        kind: str,
        vms: Sequence[VirtualMachine],
        begin: Callable[[], None],
        notice: float | None = None,
        source: str = PLATFORM,
        duration: int = -1,
    ) -> Event:
        """Announce an event for `vms`, which are of one circle; `begin` is called when it starts, `finish` is to be called
        when it is over. `notice` in seconds, unless told the least that is documented for `kind`."""
        wait = MINIMUM_NOTICE[kind] if notice is None else notice
        not_before = float(math.ceil(self._clock.now() + wait))  # NotBefore is written in whole seconds
        event = Event(new_uuid(self._random).upper(), kind, tuple(vms), not_before, source, duration, begin)
        self._circles.setdefault(circle_of(vms[0]), _Circle()).add(event)
        event.timer = self._clock.call_later(not_before - self._clock.now(), lambda: self.start(event))
        return event

    def start(self, event: Event) -> None:
        """The event's time has come, or it was approved. A second call does nothing."""
        if event.started:
            return
        event.started = True
        _cancel(event)
        self._changed(event)
        event.begin()

    def finish(self, event: Event) -> None:
        """The event is over, or will not take place. A second call does nothing."""
        circle = self._circles.get(circle_of(event.vms[0]))
        if circle is not None and event in circle.events:
            _cancel(event)
            circle.drop(event)

    def of(self, vm: VirtualMachine) -> list[Event]:
        """The events that concern `vm` itself."""
        circle = self._circles.get(circle_of(vm))
        return list(circle.of_vm.get(vm, ())) if circle else []

    def withdraw(self, vm: VirtualMachine) -> None:
        """What was going to happen to `vm` will not: it is on its way out. What has started goes on."""
        for event in [event for event in self.of(vm) if not event.started]:
            self._leave(event, vm)

    def forget(self, vm: VirtualMachine) -> None:
        """A VM is gone. What is known of its circle goes with it, unless it had companions."""
        for event in self.of(vm):
            self._leave(event, vm)
        if circle_of(vm) == vm.id.lower():
            self._circles.pop(circle_of(vm), None)

    def _leave(self, event: Event, vm: VirtualMachine) -> None:
        if event.vms == (vm,):
            self.finish(event)
        else:
            self._circles[circle_of(vm)].part(event, vm)
            event.vms = tuple(other for other in event.vms if other is not vm)
            self._changed(event)

    def on(self, vm: VirtualMachine) -> bool:
        """Whether the service is enabled for `vm`: it or a companion asked within a day."""
        circle = self._circles.get(circle_of(vm))
        return circle is not None and circle.asked is not None and self._clock.now() - circle.asked < FORGOTTEN_AFTER

    def asked(self, vm: VirtualMachine) -> bool:
        """Note a request of `vm`; True if it is the one that enables the service."""
        first = not self.on(vm)
        self._circles.setdefault(circle_of(vm), _Circle()).asked = self._clock.now()
        return first

    def text(self, vm: VirtualMachine, version: str) -> bytes:
        """What `vm` is shown, in the words of an api-version among VERSIONS, as JSON."""
        circle = self._circles.get(circle_of(vm))
        if circle is None or _hears_alone(vm):
            return _written(self._document(circle or _Circle(), vm, version))
        found = circle.texts.get(version)
        if found is None:
            found = circle.texts[version] = _written(self._document(circle, vm, version))
        return found

    def _document(self, circle: _Circle, vm: VirtualMachine, version: str) -> dict[str, Any]:
        events = [event for event in circle.events if version >= _SINCE.get(event.kind, "") and _hears(vm, event)]
        return {"DocumentIncarnation": circle.incarnation, "Events": [event.as_json(version) for event in events]}

    def approve(self, vm: VirtualMachine, ids: Sequence[str]) -> bool:
        """Let events start before their time; False, and then none was started, if one of `ids` is no event of the circle."""
        circle = self._circles.get(circle_of(vm)) or _Circle()
        known = {event.id.lower(): event for event in circle.events if _hears(vm, event)}
        found = [known.get(identity.lower()) for identity in ids]
        if None in found:
            return False
        for event in found:
            if event is not None:
                self.start(event)
        return True

    def _changed(self, event: Event) -> None:
        circle = self._circles.get(circle_of(event.vms[0]))
        if circle is not None:
            circle.changed()


def circle_of(vm: VirtualMachine) -> str:
    """Whose events a VM hears of: its availability set's, its scale set's, or its own. A proximity placement group is none:
    the page does not name it."""
    for key in ("availabilitySet", "virtualMachineScaleSet"):
        identity = part(vm.model, key).get("id")
        if isinstance(identity, str):
            return identity.lower()
    return vm.id.lower()


def _hears(vm: VirtualMachine, event: Event) -> bool:
    return vm in event.vms or not _hears_alone(vm)


def _hears_alone(vm: VirtualMachine) -> bool:
    """GPU VMs of a scale set with one fault domain hear of their own events alone (a note of the page)."""
    accelerated = vm.size.name.lower().startswith("standard_n")
    return accelerated and "virtualMachineScaleSet" in vm.model and vm.fault_domain is None


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _cancel(event: Event) -> None:
    if event.timer is not None:
        event.timer.cancel()
        event.timer = None
