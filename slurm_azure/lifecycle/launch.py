"""Step 3: what is wanted and has no launch asks for one."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.closing import is_stopped
from slurm_azure.lifecycle.effects import Ask, Create, Drop, Effect, Note, Save
from slurm_azure.lifecycle.park import reusable
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.release import untold
from slurm_azure.lifecycle.retry import fail
from slurm_azure.lifecycle.sweep import is_adoptable
from slurm_azure.model import REPLACED, Launch, Power, RequestKind, Scope, Wish


def launch(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """Ask for a launch for a node that Slurm powers up (by request, or seen), or send a planned one's create call."""
    effects: list[Effect] = []
    wish = next((wish for wish in record.wishes if wish.kind is RequestKind.RESUME), None)
    live = record.live
    if live is not None:
        if wish is not None:
            effects.append(Drop(wish))  # asked twice: one live launch is enough
            live = _for_jobs_of(wish, live, effects)
            record = record.without(wish).with_live(live)
        if live.accepted_at is None:
            record = _ask_again(record, live, facts, effects)
        return record, effects
    if any(untold(dying) for dying in record.dying) or _may_be_over(record, wish, facts):
        return record, effects  # Slurm must know of the end first, else one wake-up would be served twice
    if any(is_adoptable(record, vm) for vm in record.vms):
        return record, effects  # the sweep step makes it the node's launch: after a lost journal it may be booting, or serve
    if record.pool is None or not _wanted(record, wish, facts):
        if wish is not None and _stale(record, wish, facts):
            effects += [
                Drop(wish),
                Note(record.node, "a resume request was too old: Slurm does not want the node any more"),
            ]
            record = record.without(wish)
        return record, effects
    effects.append(replace(_ask(record, wish, facts), kept=reusable(record, facts)))
    return record, effects


def _ask_again(record: NodeRecord, live: Launch, facts: Facts, effects: list[Effect]) -> NodeRecord:
    """Send the create call, until Azure has answered it. Not while an administrator has stopped the pool: what was sent before
    may have taken effect, which a list will show; if none does for as long as lists may lag, there is no VM."""
    closed = facts.closed.get(live.pool)
    if closed is None or not is_stopped(closed):
        effects.append(Create(live))
        return record
    sent, seen = live.sent_at, facts.list_at
    if sent is None or seen is None or record.vm_of(live) is not None or seen - sent <= facts.policy.list_lag:
        return record
    return fail(record, replace(closed, scope=Scope.LAUNCH), facts, effects, final=True)


def _may_be_over(record: NodeRecord, wish: Wish | None, facts: Facts) -> bool:
    """Whether a wish may be for the wake-up that Slurm was told is over, and has not been seen since: its hook ran before
    (after a failover slurmctld may run it twice)."""
    told_at = None if wish is None else _told_since(record, wish)
    return told_at is not None and (record.slurm is None or facts.slurm_at is None or facts.slurm_at <= told_at)


def _told_since(record: NodeRecord, wish: Wish) -> float | None:
    """When Slurm was told that the node's last wake-up is over, if the hook of `wish` had run before."""
    known = (launch for launch in (*record.dying, record.last) if launch is not None and launch.release_reason != REPLACED)
    told = max((launch.told_at for launch in known if launch.told_at is not None), default=None)
    return told if told is not None and wish.at <= told else None


def _for_jobs_of(wish: Wish, live: Launch, effects: list[Effect]) -> Launch:
    """Slurm shows a node as powering up before its hook has run: a launch from that look learns from the request whom it is
    for."""
    if live.jobs or live.joined_at is not None or not wish.jobs:
        return live
    known = replace(live, jobs=wish.jobs, request=wish.request)
    effects.append(Save(known))
    return known


def _ask(record: NodeRecord, wish: Wish | None, facts: Facts) -> Ask:
    assert record.pool is not None  # noqa: S101 - callers look first
    pool, before = record.pool.name, _replaced(record, facts)
    if wish is not None and (before is None or wish.at > before.planned_at):
        return Ask(record.node, pool, wish.at, wish, wish.request, wish.jobs)
    if before is None:
        return Ask(record.node, pool, facts.now, jobs=record.jobs or ())
    return Ask(record.node, pool, before.since, wish, before.request, before.jobs, before.attempt + 1, before.offer)


def _replaced(record: NodeRecord, facts: Facts) -> Launch | None:
    """The node's newest launch, if it failed and another has to follow it while this wake-up lasts."""
    known = [launch for launch in (*record.dying, record.last) if launch is not None]
    newest = max(known, key=lambda launch: launch.planned_at, default=None)
    if newest is None or newest.release_reason != REPLACED or record.pool is None:
        return None
    return newest if facts.now - newest.since <= record.pool.resume_timeout else None


def _wanted(record: NodeRecord, wish: Wish | None, facts: Facts) -> bool:
    if wish is not None and not _stale(record, wish, facts):
        return True
    before, slurm = _replaced(record, facts), record.slurm
    if before is not None and (facts.slurm_at is None or facts.slurm_at <= before.since):
        return True  # Slurm has not been seen since it asked: nothing has changed for it
    if slurm is None or slurm.power is not Power.WAKING or slurm.down:
        return False
    if facts.list_at is None and record.last is None and not record.dying:
        return False  # its VM may be there, and the journal that knew it lost: a list will tell
    # A look at Slurm from before the last launch was let go would show what that one was for, and serve it twice.
    known = [launch for launch in (*record.dying, record.last) if launch is not None and launch.release_reason != REPLACED]
    return facts.slurm_at is not None and facts.slurm_at > max((launch.released_at or 0.0 for launch in known), default=0.0)


def _stale(record: NodeRecord, wish: Wish, facts: Facts) -> bool:
    """A resume that waited longer than a node may take to join, or that Slurm was told is over since, for a node that Slurm
    does not wake any more."""
    if record.pool is None:
        return True
    slurm = record.slurm
    if slurm is not None and _told_since(record, wish) is not None and (slurm.power is not Power.WAKING or slurm.down):
        return True
    off = slurm is not None and slurm.power in (Power.OFF, Power.STOPPING)
    return off and facts.now - wish.at > record.pool.resume_timeout
