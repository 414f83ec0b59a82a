"""When to look: at Slurm often while something moves, at Azure's list as rarely as the question allows."""

from __future__ import annotations

from slurm_azure.config import Limits
from slurm_azure.daemon.world import World
from slurm_azure.lifecycle.park import is_at_rest
from slurm_azure.lifecycle.watch import is_announced, is_silent
from slurm_azure.model import Priority

FIRST_LOOK = 10.0  # seconds after a create: what Azure refuses later than at once takes at least that long
NODES_A_SECOND = 150.0  # one second more between lists for this many nodes on their way
SETTLED = 60.0  # seconds after the last call of a wave: allocation failures have come by then, the rest is booting

SPOT_LOOK = 60.0  # seconds between lists while Spot VMs serve and nothing moves


def moving(world: World) -> bool:
    """Whether any node is on its way in or out."""
    leaving = any(not is_at_rest(launch) for group in world.dying.values() for launch in group.values())
    return leaving or bool(world.wishes) or any(launch.joined_at is None for launch in world.live.values())


def next_slurm_look(world: World, limits: Limits, last: float | None) -> float:
    """The moment to ask Slurm for all node states again."""
    if last is None:
        return 0.0
    return last + (limits.slurm_interval if moving(world) else limits.idle_slurm_interval)


def next_list(world: World, limits: Limits, lag: float, now: float) -> float:
    """The moment to list VMs again. A list is one request (a page) however many VMs move, a look at each is one each."""
    last = world.list_at
    if last is None:
        return 0.0
    due = last + limits.idle_list_interval
    creating = [
        launch.accepted_at or launch.sent_at
        for launch in world.live.values()
        if launch.joined_at is None and launch.running_at is None and launch.sent_at is not None
    ]
    began = [at for at in creating if at is not None]
    if began:
        interval = _interval(max(began), len(began), limits, now)
        due = min(due, max(last, min(began) + FIRST_LOOK - interval) + interval)
    leaving = [launch.delete_sent_at for group in world.dying.values() for launch in group.values()]
    sent = [at for at in leaving if at is not None]
    if sent:
        interval = _interval(max(sent), len(sent), limits, now)
        due = min(due, max(last, min(sent)) + interval)
    if world.stray_since or world.absent_since:
        due = min(due, last + lag / 2)
    if world.bare_since:
        due = min(due, last + limits.list_interval)
    return min(due, last + _until_losses_show(world, limits))


def _until_losses_show(world: World, limits: Limits) -> float:
    """Seconds between lists so that a VM which Azure takes back is missed soon: at once where it was announced or a node is
    silent, else in a minute for Spot. (Azure's notice comes 30 s before; a watcher that works has drained the node by then.)"""
    serving = [launch for launch in world.live.values() if launch.joined_at is not None]
    for launch in serving:
        node = world.slurm.get(launch.node)
        if node is not None and (is_announced(node) or is_silent(node)):
            return limits.list_interval + len(serving) / NODES_A_SECOND
    spot = sum(launch.offer.priority is Priority.SPOT for launch in serving)
    return SPOT_LOOK + spot / NODES_A_SECOND if spot else limits.idle_list_interval


def _interval(newest: float, count: int, limits: Limits, now: float) -> float:
    """Seconds between lists. A list of many VMs is many pages, so that a larger wave is looked at less often: all in all
    it stays below one read for every five nodes."""
    interval = limits.list_interval + count / NODES_A_SECOND
    return interval if now - newest < SETTLED else 2 * interval
