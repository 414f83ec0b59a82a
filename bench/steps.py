"""One round of decisions over 10,000 nodes that all serve: what a tick costs when nothing is to be done."""

from __future__ import annotations

import time

from bench.figures import Figure
from slurm_azure.daemon.world import World
from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.decide import decide
from slurm_azure.lifecycle.record import Facts, Policy
from slurm_azure.model import NodeName, Power
from tests.support.nodes import NOW, POOL, POOLS, a_launch, a_node, a_vm

NODES, RUNS = 10_000, 9


def measure() -> list[Figure]:
    """Records, decisions and the intake of a list and of Slurm's answer; without the calls themselves."""
    world = _world()
    facts = Facts(NOW + 100, Policy(POOLS), NOW + 99, NOW + 99)
    return [Figure(f"round of decisions at {NODES} serving nodes", "s", [_round(world, facts) for _ in range(RUNS)][1:], 1.0)]


def _round(world: World, facts: Facts) -> float:
    start = time.perf_counter()
    world.see_slurm(world.slurm, NOW + 99)
    world.see_vms([vm for group in world.vms.values() for vm in group], NOW + 99)
    census = count(world.unfinished(), facts.policy, world.site, facts.now)
    effects = decide(world.records(facts.policy), world.site, facts, census, world.cluster()).effects
    seconds = time.perf_counter() - start
    if effects:
        raise SystemExit(f"a cluster at rest has {len(effects)} effects")
    return seconds


def _world() -> World:
    names = [NodeName(f"az-{number}") for number in range(1, NODES + 1)]
    world = World(dict.fromkeys(names, POOL))
    moments = {"sent_at": NOW, "accepted_at": NOW, "running_at": NOW, "joined_at": NOW, "wanted_at": NOW}
    launches = [a_launch(name, f"l{number}", **moments) for number, name in enumerate(names)]
    for launch in launches:
        world.put(launch)
    world.see_slurm({name: a_node(Power.UP, name) for name in names}, NOW + 99)
    world.see_vms([a_vm(launch) for launch in launches], NOW + 99)
    return world
