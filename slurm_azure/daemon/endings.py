"""What the end of a call changes: answers of Azure and of Slurm become launches, observations and patience."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from slurm_azure.azure.cloud import VmPower
from slurm_azure.daemon.act import HELD, LOOK_AGAIN, Actor, Batch, saying_key
from slurm_azure.daemon.calls import Result
from slurm_azure.daemon.memory import Memory
from slurm_azure.daemon.outcomes import (
    after_create,
    after_deallocation,
    after_delete,
    after_diagnosis,
    after_look,
    after_look_at_kept,
    after_start,
)
from slurm_azure.daemon.tally import Tally
from slurm_azure.errors import CredentialRefused, Throttled
from slurm_azure.hostlist import fold
from slurm_azure.lifecycle.effects import Saying
from slurm_azure.lifecycle.park import is_kept
from slurm_azure.model import Launch

log = logging.getLogger(__name__)

CALLS = {"start": "update", "diagnose": "read", "console": "console", "power": "read", "stopping": "read"}
"""The kind of request (azure/cloud.py) by which a call is counted, if that is not its own name."""

STOPPED_AT_LEAST = 15.0  # seconds between looks whether a VM has stopped: Azure takes half a minute and more for it
CONSOLE_TRIES = 3  # a console log that cannot be read is no reason to keep a VM


class Endings:
    """Takes results one by one. `delete_retry` in seconds."""

    def __init__(self, memory: Memory, actor: Actor, tally: Tally, delete_retry: Callable[[], float]) -> None:
        self.memory, self.actor, self.tally, self.delete_retry = memory, actor, tally, delete_retry
        self._handlers: Mapping[str, Callable[[Result, float], None]] = {
            "create": self._created,
            "start": self._created,
            "deallocate": self._asked_to_stop,
            "stopping": self._looked_at_stopping,
            "delete": self._deleted,
            "diagnose": self._diagnosed,
            "console": self._read_console,
            "power": self._looked,
            "say": self._said,
        }
        self._complaints: dict[str, str] = {}

    def take(self, result: Result, now: float) -> bool:
        """Take in one result; False if it is none of these."""
        handler = self._handlers.get(result.kind)
        if handler is not None:
            handler(result, now)
        return handler is not None

    def _azure(self, kind: str, result: Result, now: float) -> Launch | None:
        """What all calls about one VM have in common; its launch, if that is not over."""
        subject: Any = result.subject
        self.actor.ended(kind, subject.vm_name)
        self.tally.call(CALLS.get(kind, kind), result)
        key = f"{kind} {subject.vm_name}"
        if result.error is None:
            self.actor.patience.forget(key)
        elif not isinstance(result.error, Throttled):  # being throttled is the budget's affair alone
            log.warning("%s: %s", key, result.error)
            self.actor.patience.later(key, now)
        launch: Launch | None = subject if isinstance(subject, Launch) else subject.launch
        return None if launch is None else self.memory.world.find(launch.node, launch.id)

    def _created(self, result: Result, now: float) -> None:
        launch = self._azure(result.kind, result, now)
        if launch is None:
            return
        after = after_create(launch, result, now) if result.kind == "create" else after_start(launch, result, now)
        self.memory.put(after)
        if after.failure is not None and launch.failure is None:
            log.warning("%s: VM %s refused: %s", after.node, after.vm_name, after.failure.detail)
            self.memory.changed = True

    def _asked_to_stop(self, result: Result, now: float) -> None:
        launch = self._azure("deallocate", result, now)
        if launch is None or not is_kept(launch):
            return
        after = after_deallocation(launch, result, now)
        if after is launch and result.error is None:
            self.actor.stopping[launch.vm_name] = now
            self.actor.patience.hold(f"stopping {launch.vm_name}", now + STOPPED_AT_LEAST)
        elif not is_kept(after):
            self.memory.note(launch.node, f"{launch.vm_name} cannot be kept: {result.error or 'it is not there'}", now)
            self.memory.changed = True
        self.memory.put(after)

    def _looked_at_stopping(self, result: Result, now: float) -> None:
        launch = self._azure("stopping", result, now)
        if launch is None or not is_kept(launch):
            return
        after = after_look_at_kept(launch, result, now)
        if after is not launch:
            self.actor.stopping.pop(launch.vm_name, None)
            self.memory.changed = True
        elif result.error is None:
            self.actor.patience.hold(f"stopping {launch.vm_name}", now + STOPPED_AT_LEAST)
        self.memory.put(after)

    def _deleted(self, result: Result, now: float) -> None:
        launch = self._azure("delete", result, now)
        if result.subject.launch is None and result.error is None:
            self.actor.patience.hold(f"delete {result.subject.vm_name}", now + self.delete_retry())
        if launch is not None:
            self.memory.put(after_delete(launch, result, now, self._is_listed(launch)))

    def _diagnosed(self, result: Result, now: float) -> None:
        launch = self._azure("diagnose", result, now)
        if launch is not None:
            self.memory.put(after_diagnosis(launch, result))
            self.memory.changed = True

    def _looked(self, result: Result, now: float) -> None:
        launch = self._azure("power", result, now)
        if launch is None:
            return
        self.memory.put(after_look(launch, result))
        if result.value is VmPower.RUNNING:
            self.actor.patience.hold(f"power {launch.vm_name}", now + LOOK_AGAIN)
            if not self._is_listed(launch):
                self.memory.note(launch.node, f"{launch.vm_name} runs, and Azure's lists lack it: has it lost its tags?", now)
        self.memory.changed = True

    def _is_listed(self, launch: Launch) -> bool:
        return any(vm.name == launch.vm_name for vm in self.memory.world.vms.get(launch.node, ()))

    def _read_console(self, result: Result, now: float) -> None:
        launch = self._azure("console", result, now)
        if launch is None:
            return
        text = result.value
        if text:
            self.memory.unwritten.consoles.append((launch.id, now, text))
        hopeless = isinstance(result.error, CredentialRefused)
        tries = self.actor.patience.tries.get(f"console {launch.vm_name}", 0)
        if result.error is None or hopeless or tries >= CONSOLE_TRIES:
            self.memory.put(replace(launch, console_at=now))
            self.memory.changed = True

    def _said(self, result: Result, now: float) -> None:
        batch: Batch = result.subject
        names = [say.node for say in batch.says]
        self.actor.saying.difference_update(names)
        if result.error is not None:
            self.complain("Slurm cannot be told of nodes: %s", result.error)
            for name in names:
                self.actor.patience.hold(saying_key(batch.saying, name), now + 5.0)
            return
        self.well_again("Slurm cannot be told of nodes: %s")
        log.info("told Slurm: %s %s%s", fold(names), batch.saying.name.lower(), f" ({batch.reason})" if batch.reason else "")
        for say in batch.says:
            self.memory.world.said_at[say.node] = now
            if say.node in result.value:
                self.memory.note(say.node, f"Slurm refused {batch.saying.name.lower()}: {result.value[say.node]}", now)
                self.actor.patience.hold(saying_key(batch.saying, say.node), now + 60.0)
            launch = self.memory.world.find(say.node, say.launch.id) if say.launch is not None else None
            if launch is not None and result.value.get(say.node) == HELD and launch.sent_at is not None:
                self.memory.put(replace(launch, released_at=None, release_reason="", failure=None))  # its VM serves on
            elif launch is not None and batch.saying is not Saying.RESUME:
                self.memory.put(replace(launch, told_at=now))
        self.memory.changed = True

    def complain(self, text: str, error: Exception) -> None:
        """Log a complaint that lasts once, and again when its words change: not every few seconds for hours."""
        if self._complaints.get(text) != str(error):
            self._complaints[text] = str(error)
            log.warning(text, error)

    def well_again(self, text: str) -> None:
        """What was complained of is over."""
        if self._complaints.pop(text, None) is not None:
            log.info("over: %s", text.partition(":")[0])
