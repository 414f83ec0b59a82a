"""Step 2: what is wanted and has no launch gets one."""

from __future__ import annotations

from slurm_azure.lifecycle.effects import Create, Drop, Effect, Note, Plan
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.model import Power, RequestKind, Wish


def launch(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """Plan a launch for a node that Slurm powers up (by request, or seen), or send a planned one's create call."""
    effects: list[Effect] = []
    wish = next((wish for wish in record.wishes if wish.kind is RequestKind.RESUME), None)
    live = record.live
    if live is not None:
        if wish is not None:
            effects.append(Drop(wish))  # asked twice: one live launch is enough
            record = record.without(wish)
        if live.accepted_at is None:
            effects.append(Create(live))
        return record, effects
    if any(dying.failure is not None and dying.told_at is None for dying in record.dying):
        return record, effects  # Slurm must know of the failure first, else one wake-up would be served twice
    if record.pool is None or not _wanted(record, wish, facts):
        if wish is not None and _stale(record, wish, facts):
            effects += [
                Drop(wish),
                Note(record.node, "a resume request was too old: Slurm does not want the node any more"),
            ]
            record = record.without(wish)
        return record, effects
    offer = record.pool.offers[0]
    if wish is None:
        effects.append(Plan(record.node, record.pool.name, offer, None, ()))
    else:
        effects += [Plan(record.node, record.pool.name, offer, wish.request, wish.jobs), Drop(wish)]
        record = record.without(wish)
    return record, effects


def _wanted(record: NodeRecord, wish: Wish | None, facts: Facts) -> bool:
    if wish is not None and not _stale(record, wish, facts):
        return True
    slurm = record.slurm
    if slurm is None or slurm.power is not Power.WAKING or slurm.down:
        return False
    # A look at Slurm from before the last launch was let go would show what that one was for, and serve it twice.
    ended = [launch.released_at or 0.0 for launch in (*record.dying, record.last) if launch is not None]
    return facts.slurm_at is not None and facts.slurm_at > max(ended, default=0.0)


def _stale(record: NodeRecord, wish: Wish, facts: Facts) -> bool:
    """A resume that waited longer than a node may take to join, for a node that Slurm does not wake any more."""
    if record.pool is None:
        return True
    slurm = record.slurm
    off = slurm is not None and slurm.power in (Power.OFF, Power.STOPPING)
    return off and facts.now - wish.at > record.pool.resume_timeout
