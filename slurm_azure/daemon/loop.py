"""The loop: take in, observe, decide, act, record. One thread owns everything here; calls run elsewhere (calls.py)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from slurm_azure.azure.cloud import Call
from slurm_azure.daemon.act import Actor
from slurm_azure.daemon.calls import Calls, Result
from slurm_azure.daemon.endings import Endings
from slurm_azure.daemon.memory import Memory, load_site
from slurm_azure.daemon.observe import moving, next_list, next_slurm_look
from slurm_azure.daemon.orders import Orders
from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.spool import Spool
from slurm_azure.daemon.steady import Steady
from slurm_azure.daemon.sweeping import Sweeping
from slurm_azure.daemon.tally import Tally
from slurm_azure.daemon.world import World
from slurm_azure.errors import JournalError, Throttled
from slurm_azure.hostlist import fold
from slurm_azure.journal import Journal
from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.closing import is_stopped
from slurm_azure.lifecycle.decide import decide
from slurm_azure.lifecycle.effects import Create, Drop, Effect, Plan
from slurm_azure.lifecycle.offers import keys_to_try_anew
from slurm_azure.lifecycle.park import parking, taken_over
from slurm_azure.lifecycle.record import Facts
from slurm_azure.lifecycle.spending import month_of
from slurm_azure.model import Launch, LaunchId, NodeName, SlurmNode, VmName
from slurm_azure.slurm.scheduler import Scheduler, holding, waiting

log = logging.getLogger(__name__)

SOON = 0.2  # seconds between rounds while things change: one decision for many results
STEADY = 1.0  # ... while something moves: deadlines are in whole seconds
WRITE_WITHIN = 0.25  # ... between commits: an answer that is lost in between is asked for again, by name
PRUNE = 3600.0


class Loop:
    """The daemon's state and its steps. `clock` is seconds since the epoch, `new_id` makes launch ids."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        spool: Spool,
        orders: Orders,
        actor: Actor,
        calls: Calls,
        tally: Tally,
        clock: Callable[[], float],
        *,
        new_id: Callable[[], str],
    ) -> None:
        self.settings, self.journal, self.spool, self.orders = settings, journal, spool, orders
        self.actor, self.calls, self.tally = actor, calls, tally
        self.clock, self.new_id = clock, new_id
        self.world = World.load(journal, dict(settings.pool_of), clock())
        self.world.site = load_site(journal, clock())
        self.memory = Memory(self.world, tally)
        self.endings = Endings(self.memory, actor, tally, lambda: self.settings.policy.delete_retry)
        say = self.endings.complain, self.endings.well_again
        self.sweeping = Sweeping(actor, calls, self.memory, tally, *say, now=clock())
        self.looking: set[str] = set()
        self.month = month_of(clock())
        self.not_before = {"nodes": 0.0, "list": 0.0}
        self.next_list = self.next_slurm = 0.0
        self.last_round = self.last_prune = self.last_commit = self.round_seconds = 0.0

    def turn(self) -> float:
        """One turn of the loop. Returns the seconds until the next one is due, if nothing rings before."""
        now = self.clock()
        try:
            self._take_in(now)
            self._collect(now)
            if now >= self._next_round():
                self._round(now)
            if now - self.last_commit >= WRITE_WITHIN:
                self._commit(now)
            self.tally.journal_works(True)
        except JournalError as error:
            self.tally.journal_works(False)
            log.error("%s", error)
            return 5.0
        self._look(now)
        sweep = self.sweeping.turn(now, self.settings.config.limits.sweep_interval, self.settings.policy.list_lag)
        due = min(self._pump(now), sweep, self._next_round() - now, self.next_list - now, self.next_slurm - now)
        return max(0.0, min(due, WRITE_WITHIN) if self.memory.unwritten else due)

    def record_only(self) -> None:
        """Record how calls ended, and start nothing: the daemon is stopping. Never raises."""
        try:
            self._collect(self.clock())
            self.memory.commit(self.journal)
        except JournalError as error:
            log.error("%s", error)

    def reload(self, settings: Settings) -> None:
        """Go on with another configuration."""
        self.settings = settings
        self.actor.render = settings.render
        self.world.pool_of = dict(settings.pool_of)
        self.memory.forget_cold(keys_to_try_anew(self.world.site.cool_downs))  # an administrator may have mended it
        self.memory.changed = True

    # take in

    def _take_in(self, now: float) -> None:
        for taken in self.spool.take_in(self.journal, self.world.pool_of, now):
            self.world.wish(taken.wishes)
            self._somebody_waits()
            self.tally.request(taken.request.kind, len(taken.wishes))
            log.info("%s %s (request %s)", taken.request.kind.value, taken.request.nodes[:1000], taken.request.id)
            if taken.strangers:
                strangers = ",".join(taken.strangers)[:1000]
                log.warning("request %s: not in any pool, left alone: %s", taken.request.id, strangers)
        for order in self.orders.take_in(self.journal, now):
            self.memory.obey(order, {pause.pool: pause for pause in self.journal.pauses()})
            self._somebody_waits()

    def _somebody_waits(self) -> None:
        """The next round is now."""
        self.memory.changed, self.last_round = True, 0.0

    # results of calls

    def _collect(self, now: float) -> None:
        for result in self.calls.results():
            self.sweeping.heard(result, now)
            if not self.endings.take(result, now) and not self.sweeping.take(result, now):
                {"list": self._listed, "nodes": self._saw_slurm}[result.kind](result, now)

    def _listed(self, result: Result, now: float) -> None:
        self.looking.discard("list")
        self.tally.call("list", result)
        if result.error is not None:
            self.endings.complain("VMs cannot be listed: %s", result.error)
            wait = result.error.retry_after if isinstance(result.error, Throttled) else 10.0
            self.not_before["list"] = now + wait
            self._plan_looks(now)
            return
        self.endings.well_again("VMs cannot be listed: %s")
        self.world.see_vms(result.value, result.begun)
        self.memory.changed = True

    def _saw_slurm(self, result: Result, now: float) -> None:
        self.looking.discard("nodes")
        self.tally.slurm_answers(result.error is None)
        if result.error is not None:
            self.endings.complain("Slurm cannot be asked: %s", result.error)
            self.not_before["nodes"] = now + 5.0
            self._plan_looks(now)
            return
        self.endings.well_again("Slurm cannot be asked: %s")
        nodes, jobs = result.value
        self.world.see_slurm(nodes, result.begun)
        if jobs is not None:
            held_by, pending = jobs
            self.world.see_jobs(held_by, pending, result.begun)
        self.memory.changed = True

    def _commit(self, now: float) -> None:
        self.last_commit = now
        self.memory.commit(self.journal)

    # decide

    def _next_round(self) -> float:
        pause = max(SOON, 4 * self.round_seconds) if self.memory.changed else STEADY if moving(self.world) else 15.0
        return self.last_round + pause if self.last_round else 0.0

    def _round(self, now: float) -> None:
        start = time.perf_counter()
        self.memory.changed = False
        self.last_round = now
        self._turn_month(now)
        world, policy = self.world, self.settings.policy
        kept = parking(world.unfinished(), policy)
        facts = Facts(now, policy, world.slurm_at, world.list_at, world.jobs_at, pending=world.pending, parking=kept)
        census = count(world.unfinished(), policy, world.site, now)
        decision = decide(world.records(policy), world.site, facts, census, world.cluster(), self._stumbled)
        creates = self._apply(decision.effects, now)
        world.site = replace(decision.site, spent=world.site.spent)
        self._commit(now)  # every launch is in the journal before its create call
        self.actor.want([*decision.effects, *creates], now)
        served = {launch.vm_name for launch in world.live.values()}
        closed = decision.facts.closed
        self.actor.keep_only(lambda launch: world.wants(launch) and not is_stopped(closed.get(launch.pool)), served)
        self._plan_looks(now)
        if now - self.last_prune > PRUNE:
            self._prune(now)
        if isinstance(self.clock, Steady) and not any(world.unfinished()) and self.clock.set_right():
            self._start_anew()
        self.round_seconds = time.perf_counter() - start
        self.tally.round_done(world, self.settings, len(self.spool.waiting()), self.round_seconds, decision.facts)

    def _apply(self, effects: Collection[Effect], now: float) -> list[Create]:
        """Take what changes into memory; returns the create calls of new launches."""
        creates: list[Create] = []
        for effect in effects:
            match effect:
                case Plan(refused=None):
                    launch = self._plan(effect, now)
                    self.memory.put(launch)
                    self._take_over(launch, now)
                    creates.append(Create(launch))
                case Plan():
                    self._refuse(effect, now)
                case Drop(wish):
                    self.world.drop(wish)
                    self.memory.unwritten.drops.append(wish)
                case _:
                    self.memory.take(effect, now)
        if creates:
            log.info("launching %d: %s", len(creates), fold(create.launch.node for create in creates)[:1000])
        return creates

    def _plan(self, plan: Plan, now: float) -> Launch:
        id, ask = LaunchId(self.new_id()), plan.ask
        return Launch(
            id, ask.node, ask.pool, plan.reuse or VmName(f"{ask.node}-{id}"), plan.offer, now,
            request=ask.request, jobs=ask.jobs, price=self.settings.price(ask.pool, plan.offer),
            asked_at=ask.asked_at, attempt=ask.attempt,
        )  # fmt: skip

    def _take_over(self, launch: Launch, now: float) -> None:
        """A kept VM has passed to its node's next launch: in one commit, so that it is never without one."""
        for old in list(self.world.dying.get(launch.node, {}).values()):
            if old.vm_name == launch.vm_name:
                self.memory.put(taken_over(old, now))

    def _refuse(self, plan: Plan, now: float) -> None:
        """A launch that is not to be: the journal has it as failed, and Slurm will be told why."""
        failed = replace(self._plan(plan, now), failure=plan.refused, released_at=now, release_reason="failed")
        self.memory.put(failed)
        self.memory.changed = True

    def _turn_month(self, now: float) -> None:
        month = month_of(now)
        if month != self.month:
            self.month = month
            self.world.site = replace(self.world.site, spent=self.journal.spent(month))

    def _stumbled(self, node: NodeName, error: Exception) -> None:
        """A fault of ours, logged whole and once: that one node waits for whoever mends it, the others do not."""
        if self.memory.note(node, f"cannot be decided on: {error!r}", self.clock()):
            log.error("%s cannot be decided on; it is left as it is", node, exc_info=error)

    def _start_anew(self) -> None:
        """The clock was set: what was to be done at some moment is due now, and what was seen has to be seen again."""
        now = self.clock()
        self.world.start_anew(now)
        self.world.site = load_site(self.journal, now)
        self.actor.start_anew()
        self.not_before = dict.fromkeys(self.not_before, 0.0)
        self.next_list = self.next_slurm = self.last_round = self.last_prune = self.last_commit = 0.0

    def _prune(self, now: float) -> None:
        self.last_prune = now
        self.actor.patience.prune(now)
        self.spool.tidy()
        with self.journal.writing():
            self.journal.forget(now - self.settings.config.limits.history)
            self.journal.forget_consoles(now - self.settings.config.limits.console_history)

    # act

    def _pump(self, now: float) -> float:
        due = self.actor.pump(now)
        for launch in self.actor.started:
            known = self.world.find(launch.node, launch.id)
            if known is not None and known.sent_at is None:
                self.memory.put(replace(known, sent_at=now))  # from now on its VM may exist
        self.actor.started.clear()
        return due

    # observe

    def _plan_looks(self, now: float) -> None:
        limits = self.settings.config.limits
        self.next_list = max(next_list(self.world, limits, self.settings.policy.list_lag, now), self.not_before["list"])
        self.next_slurm = max(next_slurm_look(self.world, limits, self.world.slurm_at), self.not_before["nodes"])

    def _look(self, now: float) -> None:
        if now >= self.next_slurm and "nodes" not in self.looking:
            self.looking.add("nodes")
            names = self.world.asked_of()
            with_jobs = any(launch.joined_at is None and launch.jobs for launch in self.world.live.values())
            self.calls.start("slurm", "nodes", None, lambda: look_at_slurm(self.actor.scheduler, names, with_jobs))
        if now >= self.next_list and "list" not in self.looking:
            wait = self.actor.cloud.reserve(Call.LIST)
            if wait > 0:
                self.next_list = now + wait
                return
            self.looking.add("list")
            cloud = self.actor.cloud
            self.calls.start("list", "list", None, lambda: list(cloud.list()))
        for kind, due in (("nodes", "next_slurm"), ("list", "next_list")):
            if kind in self.looking:
                setattr(self, due, float("inf"))  # its answer rings the bell


Queue = tuple[Mapping[NodeName, tuple[int, ...]], frozenset[int]]


def look_at_slurm(
    scheduler: Scheduler, names: Collection[NodeName], with_jobs: bool
) -> tuple[Mapping[NodeName, SlurmNode], Queue | None]:
    """All node states; and, if wanted, which jobs hold them and which wait. The queue is asked after the nodes: a job in
    neither answer is over."""
    nodes = scheduler.nodes(names)
    if not with_jobs:
        return nodes, None
    jobs = scheduler.jobs(names)
    return nodes, (holding(jobs, names), waiting(jobs))
