"""Sweeping up: network interfaces and disks that VMs have left behind are looked for now and then, and removed.

One look lists interfaces and disks, and after them VMs, in one call of a worker. What two looks agree on goes (see
lifecycle/leftovers.py); the next look tells whether it has gone. Nothing here hurries, and nothing is written down: after a
restart two looks have to agree anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from slurm_azure.azure.cloud import Call, Cloud
from slurm_azure.daemon.act import Actor
from slurm_azure.daemon.calls import Calls, Result
from slurm_azure.daemon.memory import Memory
from slurm_azure.daemon.tally import Tally
from slurm_azure.errors import CredentialRefused, Throttled
from slurm_azure.lifecycle.leftovers import Key, Look, look, removable
from slurm_azure.model import Leftover, Vm

log = logging.getLogger(__name__)

SOON = 300.0
"""Seconds from a create that failed or got lost, and from the start of the daemon, until a look: what that left has settled."""

NEVER = float("inf")
AT_ONCE = 4  # removals under way: nobody waits for them, and creates use the same threads


class Sweeping:
    """The daemon's broom. `complain` and `well_again` say in the log that looking does not work, and that it does again;
    `now` is seconds since the epoch."""

    def __init__(
        self,
        actor: Actor,
        calls: Calls,
        memory: Memory,
        tally: Tally,
        complain: Callable[[str, Exception], None],
        well_again: Callable[[str], None],
        now: float,
    ) -> None:
        self._actor, self._calls, self._memory, self._tally = actor, calls, memory, tally
        self._complain, self._well_again = complain, well_again
        self._next = now + SOON
        self._looking = False
        self._before: Look | None = None
        self._in_a_row = 0
        self._queue: dict[Key, Leftover] = {}
        self._under_way: set[Key] = set()

    def turn(self, now: float, interval: float, lag: float) -> float:
        """Start what is due, as far as budgets and threads allow. Returns the seconds until the next turn is. `interval`:
        seconds between looks; `lag`: how far lists may be behind."""
        self._next = min(self._next, now + max(interval, lag))  # the configuration may have changed
        wait = self._remove(now)
        if self._looking:
            return wait
        if now < self._next:
            return min(wait, self._next - now)
        for call in (Call.SWEEP, Call.LIST):
            seconds = self._actor.cloud.reserve(call)
            if seconds > 0:
                self._next = now + seconds
                return min(wait, seconds)
        self._looking = True
        self._calls.start("azure", "sweep", (interval, lag), partial(look_at_azure, self._actor.cloud))
        return wait

    def heard(self, result: Result, now: float) -> None:
        """A call has ended: if Azure may have left something of a VM behind, the next look is soon."""
        failed = result.error is not None and not isinstance(result.error, Throttled | CredentialRefused)
        if result.kind == "diagnose" or (result.kind == "create" and failed):
            self._next = min(self._next, now + SOON)

    def take(self, result: Result, now: float) -> bool:
        """Take in one result; False if it is none of these."""
        if result.kind == "sweep":
            self._looked(result, now)
        elif result.kind == "remove":
            self._removed(result, now)
        return result.kind in ("sweep", "remove")

    def _looked(self, result: Result, now: float) -> None:
        self._looking = False
        self._tally.call(Call.SWEEP, result)
        interval, lag = result.subject
        if result.error is not None:
            self._complain("what VMs left behind cannot be looked for: %s", result.error)
            again = result.error.retry_after if isinstance(result.error, Throttled) else SOON
            self._next = now + (interval if isinstance(result.error, CredentialRefused) else again)
            return
        self._well_again("what VMs left behind cannot be looked for: %s")
        leftovers, vms = result.value
        seen = look(result.begun, leftovers, vms, self._memory.world.unfinished())
        if self._before is None or seen.at - self._before.at >= lag:
            found = removable(self._before, seen, lag)
            self._tally.leftovers(found)
            self._queue = {(one.kind, one.name): one for one in found}
            self._before = seen
        self._in_a_row = self._in_a_row + 1 if seen.alone else 0
        # Something is to be confirmed, or was to go: look again before long, and less and less often if it does not.
        self._next = now + (min(interval, lag * 2.0 ** min(self._in_a_row, 16)) if seen.alone else interval)

    def _remove(self, now: float) -> float:
        for key, leftover in list(self._queue.items()):
            if len(self._under_way) >= AT_ONCE or not self._calls.room():
                return NEVER  # the end of a call rings the bell
            if key in self._under_way:
                continue
            wait = self._actor.cloud.reserve(Call.REMOVE)
            if wait > 0:
                return wait
            del self._queue[key]
            self._under_way.add(key)
            self._calls.start("azure", "remove", leftover, partial(self._actor.cloud.remove, leftover))
        return NEVER

    def _removed(self, result: Result, now: float) -> None:
        one: Leftover = result.subject
        self._under_way.discard((one.kind, one.name))
        self._tally.call(Call.REMOVE, result)
        if result.error is not None:
            log.warning("%s %s cannot be removed: %s", one.kind, one.name, result.error)  # the next look finds it again
            return
        text = f"removed {one.kind} {one.name}, which a VM of this node had left behind (launch {one.launch or 'not known'})"
        self._memory.note(one.node, text, now)


def look_at_azure(cloud: Cloud) -> tuple[list[Leftover], list[Vm]]:
    """Interfaces and disks, and after them VMs: whatever was attached in between has its VM in the list."""
    leftovers = list(cloud.leftovers())
    return leftovers, list(cloud.list())
