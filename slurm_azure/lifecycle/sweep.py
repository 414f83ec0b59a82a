"""Step 6: what nobody asked for. VMs of ours without a launch go; nodes we set down come back after a while."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.closing import is_shelved, only_by_breaker, shelf_reason
from slurm_azure.lifecycle.effects import Delete, Effect, Note, Save, Say, Saying
from slurm_azure.lifecycle.park import nothing_moves
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.release import SLURMS_OWN_REASONS, is_administrators
from slurm_azure.model import REASON_PREFIX, FailureReason, Launch, Power, SlurmNode, Vm, VmState

GRACE = 10.0
"""Seconds after a VM is gone in which Slurm may show its node up still: several looks at Slurm, and the way of a suspend."""


def sweep(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """Adopt or delete VMs that no launch explains; bring back nodes that have been held long enough."""
    effects: list[Effect] = []
    known = {launch.vm_name for launch in (record.live, *record.dying) if launch is not None}
    for vm in record.vms:
        if vm.name not in known:
            record = _stray(record, vm, facts, effects)
    _heal(record, facts, effects)
    _give_up_bare(record, facts, effects)
    return record, effects


def _stray(record: NodeRecord, vm: Vm, facts: Facts, effects: list[Effect]) -> NodeRecord:
    """A VM with our tag and no launch: left over from a lost journal, a lost reply, or a list that lags behind."""
    if is_adoptable(record, vm):
        launch = _from_tags(record, vm, facts)
        effects += [
            Save(launch),
            Note(record.node, f"adopted VM {vm.name}: Slurm uses the node and the journal did not know it"),
        ]
        return record.with_live(launch)
    if vm.state is VmState.DELETING:
        return record
    # With Slurm out of sight only what the journal itself knows to be over may go.
    over = record.last is not None and record.last.vm_name == vm.name
    if not over and record.slurm is None and record.pool is not None:
        return record
    since = (record.stray_since or {}).get(vm.name)
    if since is not None and facts.list_at is not None and facts.list_at - since >= facts.policy.list_lag:
        effects += [
            Delete(record.node, vm.name, None),
            Note(record.node, f"VM {vm.name} serves no launch: deleting it"),
        ]
    return record


def is_adoptable(record: NodeRecord, vm: Vm) -> bool:
    """Whether a VM that no launch explains can serve its node, which Slurm uses and which has no launch."""
    slurm = record.slurm
    if record.live is not None or record.pool is None or slurm is None or not vm.launch:
        return False
    in_use = slurm.power in (Power.WAKING, Power.UP) and not slurm.down
    # By its name, too: the tags of a VM that was kept name the launch that it was made for, not the one that it served last.
    finished = record.last is not None and (record.last.id == vm.launch or record.last.vm_name == vm.name)
    return in_use and not finished and not record.dying and vm.state in (VmState.CREATING, VmState.SUCCEEDED)


def _from_tags(record: NodeRecord, vm: Vm, facts: Facts) -> Launch:
    assert record.pool is not None  # noqa: S101 - looked at by _adoptable
    offer = next((one for one in record.pool.offers if one.size == vm.size and one.zone == vm.zone), record.pool.offers[0])
    since = vm.created_at or facts.now
    running = facts.now if vm.state is VmState.SUCCEEDED else None
    return Launch(
        vm.launch, record.node, record.pool.name, vm.name, replace(offer, priority=vm.priority), since,
        wanted_at=facts.now, sent_at=since, accepted_at=since, running_at=running, price=record.pool.prices.get(offer),
    )  # fmt: skip


def _heal(record: NodeRecord, facts: Facts, effects: list[Effect]) -> None:
    """A node that we (or Slurm, for want of us) set down is resumed once it is powered down, clean, and held long enough."""
    slurm = record.slurm
    if slurm is None or record.pool is None or record.live is not None or not nothing_moves(record):
        return
    if is_trapped(slurm):
        effects += [
            Say(record.node, Saying.RESUME, ""),
            Note(record.node, "idle~ and not responding: no job could start on it"),
        ]
        return
    if not (is_held(slurm) and slurm.power is Power.OFF):
        return
    closed = facts.closed.get(record.pool.name)
    if closed is not None and not only_by_breaker(closed):
        return  # it would be asked for at once, for nothing
    last = record.last
    since = max((at for at in (last and last.told_at, last and last.gone_at) if at), default=0.0)
    if facts.now - since >= facts.policy.failed_node_hold:
        effects += [
            Say(record.node, Saying.RESUME, ""),
            Note(record.node, f"back in service; it was down for: {_in_short(slurm.reason)}"),
        ]
        if closed is not None:  # a canary can be any idle node; were all of them down, none would ever open the pool again
            effects.append(Say(record.node, Saying.SHELVE, shelf_reason(closed)))


def _give_up_bare(record: NodeRecord, facts: Facts, effects: list[Effect]) -> None:
    """Slurm shows a node up, and there is no VM for it: its jobs would wait for ever."""
    slurm = record.slurm
    if slurm is None or slurm.power is not Power.UP or slurm.down or is_administrators(slurm) or not _is_bare(record, facts):
        return
    reason = f"{REASON_PREFIX} {FailureReason.VANISHED.value}: Slurm shows the node up, and it has no VM"
    effects += [Say(record.node, Saying.FAILED, reason), Note(record.node, "up in Slurm without a VM: set down")]


def _is_bare(record: NodeRecord, facts: Facts) -> bool:
    """No VM for longer than lists may lag; or none since its last one was seen to be gone: then it is a slurmctld that was
    killed, and came back with a state of some seconds before."""
    if record.pool is None or record.bare_since is None or facts.list_at is None or record.live or record.dying or record.vms:
        return False
    if facts.list_at - record.bare_since >= facts.policy.list_lag:
        return True
    gone_at = record.last.gone_at if record.last is not None else None
    return gone_at is not None and facts.slurm_at is not None and min(facts.slurm_at, facts.list_at) - gone_at > GRACE


def is_trapped(slurm: SlurmNode) -> bool:
    """Powered down and not responding: after the next restart of slurmctld no job is placed there any more, and no reason is
    shown (22.05, 24.11; GitHub aws/aws-parallelcluster#7577). `state=idle` takes the flag off; `resume` sets it."""
    at_rest = slurm.power is Power.OFF and not slurm.down and not slurm.drained
    return at_rest and "NOT_RESPONDING" in slurm.flags and not slurm.flags & {"POWER_UP", "POWER_DOWN"}


def is_held(slurm: SlurmNode) -> bool:
    """Whether a node is out of service for a failure of its own, and no administrator's doing. (Idle nodes of a closed pool are
    drained too: closing.py brings them back.)"""
    if slurm.reason.startswith(SLURMS_OWN_REASONS):
        return slurm.down or slurm.drained
    return slurm.ours_to_resume and (slurm.down or (slurm.drained and not is_shelved(slurm)))


def _in_short(reason: str) -> str:
    """A reason of ours without its details, which the launch has; others as they are."""
    return ":".join(reason.split(":")[:2]) if reason.startswith(REASON_PREFIX) else reason
