"""`slurm-azure sweep`: what does not fit together in Azure, Slurm and the journal; with `--yes` it is put right.

It looks for itself, so that it works while the daemon does not. What it removes was found in two looks, the list's lag apart.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm_azure.azure.cloud import Call, Cloud
from slurm_azure.cli.context import Context
from slurm_azure.cli.moments import iso, span
from slurm_azure.cli.table import table
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import make_cloud, price_of
from slurm_azure.errors import CloudError, SchedulerError, Throttled
from slurm_azure.intake import SUFFIX
from slurm_azure.lifecycle.orphans import Cure, Kind, Orphan, Scene, confirmed, orphans
from slurm_azure.lifecycle.record import Policy
from slurm_azure.model import REASON_PREFIX, FailureReason, NodeName, Offer
from slurm_azure.slurm.scheduler import Scheduler, Tell

LAG = Policy({}).list_lag
PATIENCE = 120.0
"""Seconds to wait for a token of a request budget."""

REASON = f"{REASON_PREFIX} {FailureReason.VANISHED.value}: Slurm shows the node up, and it has no VM"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an orphan: `done` in a few words; not `ok`, and they say why it could not be done."""

    orphan: Orphan
    done: str
    ok: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `sweep`."""
    parser.add_argument("--yes", action="store_true", help="remove what was found, if it is still so a minute later")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, context: Context) -> int:
    """Look, show, and with `--yes` put right. 1: something does not fit, or is left after `--yes`."""
    config = context.config()
    with broom(context, config) as tool:
        found = tool.look()
        if options.yes and any(one.cure is not Cure.NONE for one in found):
            context.remark(f"{len(found)} found; looking again in {LAG:.0f} s, for only what is still so then is removed")
            outcomes = tool.put_right(found)
        else:
            outcomes = [Outcome(one, f"would {one.cure}" if one.cure is not Cure.NONE else one.cure, False) for one in found]
        price = tool.price
    _show(outcomes, price, options.json, config.cluster, context)
    return 0 if all(one.ok for one in outcomes) else 1


@contextlib.contextmanager
def broom(context: Context, config: Config) -> Iterator[Broom]:
    """One with connections of its own, closed at the end."""
    from slurm_azure.azure.limits import Limits

    cloud = make_cloud(config, Limits(config.limits.requests))
    try:
        yield Broom(context, config, cloud, context.scheduler(config))
    finally:
        cloud.close()


class Broom:
    """Looks at both sides, and puts right. `sleep` waits seconds."""

    def __init__(
        self,
        context: Context,
        config: Config,
        cloud: Cloud,
        scheduler: Scheduler,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        from slurm_azure.azure.catalog import Catalog

        self._context, self._cloud, self._scheduler, self._sleep = context, cloud, scheduler, sleep
        self._pool_of = {NodeName(node): pool for node, pool in config.pool_of().items()}
        self._pools = set(config.pools)
        self._price = price_of(config, Catalog.load())

    def look(self) -> tuple[Orphan, ...]:
        """What does not fit now. Slurm first, then what is left in Azure, then VMs, the journal last: whatever was begun in
        between is explained by what is looked at later. Raises CloudError, JournalError."""
        slurm = self._slurm()
        self._wait_for(Call.SWEEP)
        leftovers = list(self._cloud.leftovers())
        self._wait_for(Call.LIST)
        vms = list(self._cloud.list())
        with self._context.journal() as journal:
            launches, newest = journal.unfinished(), journal.last_of_each_node()
            wanted = frozenset(wish.node for wish in journal.wishes())
        over = [one for one in newest if one.gone_at is not None]
        now = self._context.clock()
        scene = Scene(now, self._pool_of, vms, leftovers, slurm, launches, over, None if self._spooled() else wanted)
        return orphans(scene, LAG)

    def put_right(self, found: Sequence[Orphan]) -> list[Outcome]:
        """Look again, and do what is to be done about what is still so."""
        self._sleep(LAG)
        still = confirmed(found, self.look())
        outcomes = [Outcome(one, "is not so any more", True) for one in found if one.key not in {now.key for now in still}]
        outcomes += [Outcome(one, Cure.NONE, False) for one in still if one.cure is Cure.NONE]
        outcomes += [self._delete(one) for one in still if one.cure is Cure.DELETE]
        return outcomes + self._set_down([one for one in still if one.cure is Cure.SET_DOWN])

    def price(self, orphan: Orphan) -> float | None:
        """USD per hour of a VM, None = not known (and not of a VM)."""
        vm = orphan.vm
        if vm is None or vm.pool not in self._pools:
            return None
        return self._price(vm.pool, Offer(vm.size, vm.zone, vm.priority))

    def _slurm(self) -> Mapping[NodeName, Any] | None:
        try:
            return self._scheduler.nodes(list(self._pool_of))
        except SchedulerError as error:
            self._context.remark(f"nothing is concluded from Slurm: {error}")
            return None

    def _spooled(self) -> bool:
        try:
            return any(file.name.endswith(SUFFIX) for file in (self._context.state / "spool").iterdir())
        except FileNotFoundError:
            return False

    def _delete(self, orphan: Orphan) -> Outcome:
        try:
            if orphan.leftover is not None:
                self._wait_for(Call.REMOVE)
                gone = self._cloud.remove(orphan.leftover)
            else:
                assert orphan.vm is not None  # noqa: S101 - one of the two
                self._wait_for(Call.DELETE)
                gone = self._cloud.delete(orphan.vm.name)
        except CloudError as error:
            return Outcome(orphan, f"not deleted: {error}", False)
        return Outcome(orphan, "was gone already" if gone else "deleted", True)

    def _set_down(self, found: Sequence[Orphan]) -> list[Outcome]:
        names = [one.node for one in found]
        if not names:
            return []
        refused: dict[NodeName, str] = {}
        try:
            refused.update(self._scheduler.tell(Tell.DOWN, names, REASON))
            refused.update(self._scheduler.tell(Tell.POWER_DOWN_FORCE, [name for name in names if name not in refused]))
        except SchedulerError as error:
            return [Outcome(one, f"not told to Slurm: {error}", False) for one in found]
        return [
            Outcome(one, f"refused by Slurm: {refused[one.node]}", False)
            if one.node in refused
            else Outcome(one, "set down, powered down", True)
            for one in found
        ]

    def _wait_for(self, call: Call) -> None:
        waited = 0.0
        while (wait := self._cloud.reserve(call)) > 0:
            if waited + wait > PATIENCE:
                raise Throttled(wait, f"{call} calls")
            self._sleep(wait)
            waited += wait


def _show(
    outcomes: Sequence[Outcome], price: Callable[[Orphan], float | None], as_json: bool, cluster: str, context: Context
) -> None:
    now = context.clock()
    if as_json:
        found = [_document(one, price(one.orphan)) for one in outcomes]
        context.say_json({"at": iso(now), "cluster": cluster, "found": found})
        return
    if not outcomes:
        context.say("nothing: all VMs, interfaces, disks and nodes are accounted for")
        return
    rows = [
        (
            one.orphan.kind,
            one.orphan.name,
            one.orphan.node if one.orphan.kind is not Kind.NODE else None,
            None if one.orphan.since is None else span(now - one.orphan.since),
            price(one.orphan),
            one.orphan.cause,
            one.done,
        )
        for one in outcomes
    ]
    context.say(table(["WHAT", "NAME", "NODE", "AGE", "USD/H", "CAUSE", "DONE"], rows))


def _document(outcome: Outcome, price: float | None) -> dict[str, Any]:
    one = outcome.orphan
    return {
        "what": one.kind,
        "name": one.name,
        "node": one.node,
        "since": iso(one.since),
        "usd_per_hour": price,
        "cause": one.cause,
        "cure": one.cure,
        "done": outcome.done,
        "ok": outcome.ok,
    }
