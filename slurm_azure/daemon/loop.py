"""The loop: take in, observe, decide, act, record. One thread owns everything here; calls run elsewhere (calls.py)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from slurm_azure.azure.cloud import Call
from slurm_azure.daemon.act import Actor, Batch
from slurm_azure.daemon.calls import Calls, Result
from slurm_azure.daemon.observe import moving, next_list, next_slurm_look
from slurm_azure.daemon.outcomes import after_create, after_delete, after_diagnosis
from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.spool import Spool
from slurm_azure.daemon.tally import Tally
from slurm_azure.daemon.unwritten import Unwritten
from slurm_azure.daemon.world import World
from slurm_azure.errors import JournalError, Throttled
from slurm_azure.hostlist import fold
from slurm_azure.journal import Event, Journal
from slurm_azure.lifecycle.decide import decide
from slurm_azure.lifecycle.effects import Create, Drop, Effect, Note, Plan, Save, Saying
from slurm_azure.lifecycle.record import Facts
from slurm_azure.model import Launch, LaunchId, NodeName, Vm, VmName

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
        actor: Actor,
        calls: Calls,
        tally: Tally,
        clock: Callable[[], float] = time.time,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self.settings, self.journal, self.spool = settings, journal, spool
        self.actor, self.calls, self.tally = actor, calls, tally
        self.clock, self.new_id = clock, new_id
        self.world = World.load(journal, dict(settings.pool_of))
        self.unwritten = Unwritten()
        self.looking: set[str] = set()
        self.complaints: dict[str, str] = {}
        self.not_before = {"nodes": 0.0, "list": 0.0}
        self.next_list = self.next_slurm = 0.0
        self.last_round = self.last_prune = self.last_commit = self.round_seconds = 0.0
        self.changed = True

    def turn(self) -> float:
        """One turn of the loop. Returns the seconds until the next one is due, if nothing rings before."""
        now = self.clock()
        try:
            self._take_in(now)
            self._collect(now)
            if self._round_is_due(now):
                self._round(now)
            if now - self.last_commit >= WRITE_WITHIN:
                self._commit(now)
            self.tally.journal_works(True)
        except JournalError as error:
            self.tally.journal_works(False)
            log.error("%s", error)
            return 5.0
        self._look(now)
        due = min(self.actor.pump(now), self._next_round() - now, self.next_list - now, self.next_slurm - now)
        return max(0.0, min(due, WRITE_WITHIN) if self.unwritten else due)

    def record_only(self) -> None:
        """Record how calls ended, and start nothing: the daemon is stopping. Never raises."""
        try:
            self._collect(self.clock())
            self.unwritten.commit(self.journal)
        except JournalError as error:
            log.error("%s", error)

    def reload(self, settings: Settings) -> None:
        """Go on with another configuration."""
        self.settings = settings
        self.actor.render = settings.render
        self.world.pool_of = dict(settings.pool_of)
        self.changed = True

    # take in

    def _take_in(self, now: float) -> None:
        for taken in self.spool.take_in(self.journal, self.world.pool_of, now):
            self.world.wish(taken.wishes)
            self.changed, self.last_round = True, 0.0  # somebody waits: the next round is now
            self.tally.request(taken.request.kind, len(taken.wishes))
            log.info("%s %s (request %s)", taken.request.kind.value, taken.request.nodes, taken.request.id)
            if taken.strangers:
                strangers = ",".join(taken.strangers)[:1000]
                log.warning("request %s: not in any pool, left alone: %s", taken.request.id, strangers)

    # results of calls

    def _collect(self, now: float) -> None:
        for result in self.calls.results():
            handle = {
                "create": self._created,
                "delete": self._deleted,
                "diagnose": self._diagnosed,
                "list": self._listed,
                "nodes": self._saw_slurm,
                "say": self._said,
            }[result.kind]
            handle(result, now)

    def _created(self, result: Result, now: float) -> None:
        name = result.subject.vm_name
        self.actor.ended("create", name)
        self.tally.call("create", result)
        self._be_patient(f"create {name}", result, now)
        launch = self.world.find(result.subject.node, result.subject.id)
        if launch is None:
            return
        after = after_create(launch, result, now)
        self._put(after)
        if after.failure is not None and launch.failure is None:
            log.warning("%s: VM %s refused: %s", after.node, name, after.failure.detail)
            self.changed = True

    def _deleted(self, result: Result, now: float) -> None:
        name = result.subject.vm_name
        self.actor.ended("delete", name)
        self.tally.call("delete", result)
        self._be_patient(f"delete {name}", result, now)
        subject = result.subject.launch
        if subject is None:
            if result.error is None:
                self.actor.patience.hold(f"delete {name}", now + self.settings.policy.delete_retry)
            return
        launch = self.world.find(subject.node, subject.id)
        if launch is not None:
            self._put(after_delete(launch, result, now))

    def _diagnosed(self, result: Result, now: float) -> None:
        name = result.subject.vm_name
        self.actor.ended("diagnose", name)
        self.tally.call("read", result)
        self._be_patient(f"diagnose {name}", result, now)
        launch = self.world.find(result.subject.node, result.subject.id)
        if launch is not None:
            self._put(after_diagnosis(launch, result, now))
            self.changed = True

    def _be_patient(self, key: str, result: Result, now: float) -> None:
        """A call that is neither a yes nor a no is tried again later; being throttled is the budget's affair alone."""
        if result.error is None:
            self.actor.patience.forget(key)
        elif not isinstance(result.error, Throttled):
            log.warning("%s: %s", key, result.error)
            self.actor.patience.later(key, now)

    def _listed(self, result: Result, now: float) -> None:
        self.looking.discard("list")
        self.tally.call("list", result)
        if result.error is not None:
            self._complain("VMs cannot be listed: %s", result.error)
            wait = result.error.retry_after if isinstance(result.error, Throttled) else 10.0
            self.not_before["list"] = now + wait
            self._plan_looks(now)
            return
        self._well_again("VMs cannot be listed: %s")
        vms: list[Vm] = result.value
        self.world.see_vms(vms, result.begun)
        self.changed = True

    def _saw_slurm(self, result: Result, now: float) -> None:
        self.looking.discard("nodes")
        self.tally.slurm_answers(result.error is None)
        if result.error is not None:
            self._complain("Slurm cannot be asked: %s", result.error)
            self.not_before["nodes"] = now + 5.0
            self._plan_looks(now)
            return
        self._well_again("Slurm cannot be asked: %s")
        self.world.see_slurm(result.value, result.begun)
        self.changed = True

    def _said(self, result: Result, now: float) -> None:
        batch: Batch = result.subject
        names = [say.node for say in batch.says]
        self.actor.saying.difference_update(names)
        if result.error is not None:
            self._complain("Slurm cannot be told of failed nodes: %s", result.error)
            for name in names:
                self.actor.patience.hold(f"say {name}", now + 5.0)
            return
        self._well_again("Slurm cannot be told of failed nodes: %s")
        refused = result.value
        log.info("told Slurm: %s %s%s", fold(names), batch.saying.name.lower(), f" ({batch.reason})" if batch.reason else "")
        for say in batch.says:
            self.world.said_at[say.node] = now
            if say.node in refused:
                self._note(say.node, f"Slurm refused {batch.saying.name.lower()}: {refused[say.node]}", now)
                self.actor.patience.hold(f"say {say.node}", now + 60.0)
            launch = self.world.find(say.node, say.launch.id) if say.launch is not None else None
            if launch is not None and batch.saying is not Saying.RESUME:
                self._put(replace(launch, told_at=now))
        self.changed = True

    def _commit(self, now: float) -> None:
        self.last_commit = now
        self.unwritten.commit(self.journal)

    def _complain(self, text: str, error: Exception) -> None:
        """Log a complaint that lasts once, and again when its words change: not every few seconds for hours."""
        if self.complaints.get(text) != str(error):
            self.complaints[text] = str(error)
            log.warning(text, error)

    def _well_again(self, text: str) -> None:
        if self.complaints.pop(text, None) is not None:
            log.info("over: %s", text.partition(":")[0])

    # decide

    def _round_is_due(self, now: float) -> bool:
        return now >= self._next_round()

    def _next_round(self) -> float:
        pause = max(SOON, 4 * self.round_seconds) if self.changed else STEADY if moving(self.world) else 15.0
        return self.last_round + pause if self.last_round else 0.0

    def _round(self, now: float) -> None:
        start = time.perf_counter()
        self.changed = False
        self.last_round = now
        facts = Facts(now, self.settings.policy, self.world.slurm_at, self.world.list_at)
        effects = [effect for record in self.world.records(self.settings.policy) for effect in decide(record, facts)]
        creates = self._apply(effects, now)
        self._commit(now)  # every launch is in the journal before its create call
        self.actor.want([*effects, *creates], now)
        self.actor.keep_only(lambda launch: launch.node in self.world.live)
        self._plan_looks(now)
        if now - self.last_prune > PRUNE:
            self._prune(now)
        self.round_seconds = time.perf_counter() - start
        self.tally.round_done(self.world, self.settings, len(self.spool.waiting()), self.round_seconds, now)

    def _apply(self, effects: list[Effect], now: float) -> list[Create]:
        """Take what changes into memory; returns the create calls of new launches."""
        creates: list[Create] = []
        for effect in effects:
            match effect:
                case Plan():
                    launch = self._plan(effect, now)
                    self._put(launch)
                    creates.append(Create(launch))
                case Save(launch):
                    self._put(launch)
                    self.changed = self.changed or not launch.live
                case Drop(wish):
                    self.world.drop(wish)
                    self.unwritten.drops.append(wish)
                case Note(node, text):
                    self._note(node, text, now)
                case _:
                    pass
        if creates:
            log.info("launching %d: %s", len(creates), fold(create.launch.node for create in creates)[:1000])
        return creates

    def _plan(self, plan: Plan, now: float) -> Launch:
        id = LaunchId(self.new_id())
        return Launch(
            id, plan.node, plan.pool, VmName(f"{plan.node}-{id}"), plan.offer, now,
            request=plan.request, jobs=plan.jobs, price=self.settings.price(plan.pool, plan.offer),
        )  # fmt: skip

    def _put(self, launch: Launch) -> None:
        before = self.world.find(launch.node, launch.id)
        if before == launch:
            return
        self.world.put(launch)
        self.unwritten.save([launch])
        self.tally.launch(before, launch)

    def _note(self, node: NodeName, text: str, now: float) -> None:
        launch = self.world.live.get(node)
        self.unwritten.events.append(Event(now, node, launch.id if launch else None, text))
        log.info("%s: %s", node, text)

    def _prune(self, now: float) -> None:
        self.last_prune = now
        self.actor.patience.prune(now)
        with self.journal.writing():
            self.journal.forget(now - self.settings.config.limits.history)

    # observe

    def _plan_looks(self, now: float) -> None:
        limits = self.settings.config.limits
        self.next_list = max(next_list(self.world, limits, self.settings.policy.list_lag, now), self.not_before["list"])
        self.next_slurm = max(next_slurm_look(self.world, limits, self.world.slurm_at), self.not_before["nodes"])

    def _look(self, now: float) -> None:
        if now >= self.next_slurm and "nodes" not in self.looking:
            self.looking.add("nodes")
            names = list(self.world.pool_of)
            self.calls.start("slurm", "nodes", None, lambda: self.actor.scheduler.nodes(names))
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
