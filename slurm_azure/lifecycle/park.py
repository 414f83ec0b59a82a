"""Deallocate instead of delete (pools with `release: deallocate`): a VM is stopped and kept for the next wake-up of its node.

A kept VM costs its disk and its part of the quota, but no host ("States and billing status of Azure Virtual Machines"). It
stays under the launch that it was made for, which is released and not gone, with `release_reason` KEPT. The next launch of its
node takes it over by having the same `vm_name`: from then on it is that launch's VM, whatever launch its tags name, and the
old one counts as gone. Whoever is not to be kept any more gets another `release_reason`, and goes as every launch that is
released.

A node has one VM at most: one that gets another launch loses the VM that was kept for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from slurm_azure.lifecycle.effects import Deallocate, Effect, Note, Save
from slurm_azure.lifecycle.record import Facts, NodeRecord, Parking, Policy, PoolPolicy
from slurm_azure.model import Launch, VmState

KEPT = "kept"
"""`Launch.release_reason` of a launch whose VM is stopped and kept."""


def is_kept(launch: Launch) -> bool:
    """Whether the launch's VM is kept, or is on its way to it (`deallocated_at` None: not stopped yet, and billed)."""
    return launch.release_reason == KEPT and launch.gone_at is None


def is_at_rest(launch: Launch) -> bool:
    """Whether the launch's VM is kept and stopped: nothing is on its way."""
    return is_kept(launch) and launch.deallocated_at is not None


def nothing_moves(record: NodeRecord) -> bool:
    """Whether a node without a live launch has no VM but one that is kept and stopped."""
    kept = {launch.vm_name for launch in record.dying if is_at_rest(launch)}
    return all(launch.vm_name in kept for launch in record.dying) and all(vm.name in kept for vm in record.vms)


def is_reused(launch: Launch) -> bool:
    """Whether the launch has taken over the VM of an earlier one: it is started, not created."""
    return launch.vm_name != f"{launch.node}-{launch.id}"


def parking(launches: Iterable[Launch], policy: Policy) -> Parking:
    """How many VMs may still be kept, and which are too many: those that were kept last. `launches`: all that are not gone."""
    kept = [launch for launch in launches if is_kept(launch)]
    kept.sort(key=lambda launch: (launch.released_at or 0.0, launch.id))
    room = {name: pool.keep_most for name, pool in policy.pools.items() if pool.deallocate}
    surplus = []
    for launch in kept:
        room[launch.pool] = room.get(launch.pool, 0) - 1
        if room[launch.pool] < 0:
            surplus.append(launch.id)
    return Parking(room, frozenset(surplus))


def may_keep(record: NodeRecord, live: Launch, facts: Facts) -> bool:
    """Whether a live launch that Slurm suspends is kept: its node has joined, and nothing is wrong with it."""
    pool = record.pool
    if pool is None or not _fits(pool, live) or facts.parking.room.get(pool.name, 0) < 1:
        return False
    slurm, vm = record.slurm, record.vm_of(live)
    healthy = live.joined_at is not None and live.failure is None and not (slurm is not None and (slurm.down or slurm.drained))
    return healthy and (vm is None or vm.state is VmState.SUCCEEDED)


def follow_kept(record: NodeRecord, launch: Launch, facts: Facts, effects: list[Effect]) -> Launch:
    """One kept launch: stop its VM until Azure says so, or let it go. What comes back is not kept any more if it has to go, and
    gone if its VM is, or is another launch's by now."""
    others = (record.live, *record.dying)
    if any(other is not None and other.id != launch.id and other.vm_name == launch.vm_name for other in others):
        return _gone(taken_over(launch, facts.now), "another launch has it", effects)
    if _is_lost(record, launch, facts):
        return _gone(replace(launch, gone_at=facts.now), "it is not there any more", effects)
    why = _why_not(record, launch, facts)
    if why is not None:
        return _gone(replace(launch, release_reason="unwanted"), why, effects)
    if launch.deallocated_at is None:
        effects.append(Deallocate(launch))
    return launch


def reusable(record: NodeRecord, facts: Facts) -> Launch | None:
    """The kept launch whose VM the node's next launch may start, if there is one and Azure has stopped it. What its offer costs
    or whether that cools down is for admission to say."""
    for launch in record.dying:
        if is_kept(launch) and launch.deallocated_at is not None and _why_not(record, launch, facts) is None:
            return launch
    return None


def taken_over(old: Launch, now: float) -> Launch:
    """The kept launch, once another one has its VM."""
    return replace(old, gone_at=now)


def _why_not(record: NodeRecord, launch: Launch, facts: Facts) -> str | None:
    """Why a kept VM should go."""
    pool, vm = record.pool, record.vm_of(launch)
    if pool is None or launch.pool != pool.name:
        return "its node is not in that pool any more"
    if not _fits(pool, launch):
        return "its pool does not keep such VMs any more"
    if record.live is not None:
        return "its node has another VM"
    if launch.id in facts.parking.surplus:
        return f"the pool keeps {pool.keep_most} at most"
    kept_for = facts.now - (launch.released_at or facts.now)
    if kept_for > pool.keep_longest:
        return f"nobody needed it for {kept_for / 3600:.0f} h"
    if vm is not None and vm.state in (VmState.FAILED, VmState.DELETING):
        return f"Azure says it is {vm.state.value}"
    return None


def _gone(launch: Launch, why: str, effects: list[Effect]) -> Launch:
    effects += [Save(launch), Note(launch.node, f"{launch.vm_name} is not kept any longer: {why}")]
    return launch


def _is_lost(record: NodeRecord, launch: Launch, facts: Facts) -> bool:
    """Whether a kept VM is not there any more: it was there for long, so a list that lags would show it."""
    if record.vm_of(launch) is not None or facts.list_at is None or launch.released_at is None:
        return False
    return facts.list_at > launch.released_at + facts.policy.list_lag


def _fits(pool: PoolPolicy, launch: Launch) -> bool:
    """Whether the pool would still make such a VM, and keep it."""
    offer = launch.offer
    places = {(other.size, other.zone, other.priority) for other in pool.offers}
    return pool.deallocate and (offer.size, offer.zone, offer.priority) in places
