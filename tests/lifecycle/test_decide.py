"""A whole round: what the steps over nodes and over the site make together."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.lifecycle.budget import count
from slurm_azure.lifecycle.decide import Cluster, Decision, decide
from slurm_azure.lifecycle.effects import Plan, Say, Saying
from slurm_azure.lifecycle.record import NodeRecord, Site
from slurm_azure.model import Breaker, NodeName, PoolName, Power, SlurmNode
from tests.support.nodes import NODE, NOW, POOL, a_launch, a_node, a_record, a_wish, facts

BROKEN = Breaker(POOL, failures=5, detail="az-1: mounts", opened_at=NOW - 700, probe_at=NOW - 1)
POOL_OF = {NodeName(f"az-{number}"): PoolName(POOL) for number in (1, 2)}


def a_round(site: Site, *records: NodeRecord, nodes: list[SlurmNode], told: tuple[str, ...] = ()) -> Decision:
    here = facts(NOW, slurm_at=NOW - 1, list_at=NOW - 1)
    census = count((record.live for record in records if record.live is not None), here.policy, site, NOW)
    busy = frozenset(record.node for record in records)
    cluster = Cluster({node.name: node for node in nodes}, POOL_OF, busy, frozenset(map(NodeName, told)))
    return decide(records, site, here, census, cluster)


def says(decision: Decision) -> list[tuple[str, Saying]]:
    return [(effect.node, effect.saying) for effect in decision.effects if isinstance(effect, Say)]


def test_a_pool_that_its_breaker_closed_gets_a_canary_and_its_other_nodes_rest() -> None:
    """One idle node is powered up; the others are drained, so that Slurm places no job there."""
    decision = a_round(Site(breakers={POOL: BROKEN}), nodes=[a_node(Power.OFF, "az-1"), a_node(Power.OFF, "az-2")])
    assert says(decision) == [("az-1", Saying.WAKE), ("az-2", Saying.SHELVE)]
    assert decision.site.breakers[POOL].canary == "az-1"


def test_the_canary_gets_its_launch_although_the_pool_is_closed() -> None:
    """And nobody else does."""
    site = Site(breakers={POOL: replace(BROKEN, canary=NODE, probe_at=NOW + 900)})
    asking = [a_record(wishes=(a_wish(),)), a_record(node=NodeName("az-2"), wishes=(a_wish(node="az-2"),))]
    decision = a_round(site, *asking, nodes=[])
    plans = [effect for effect in decision.effects if isinstance(effect, Plan)]
    assert [(plan.ask.node, plan.refused is None) for plan in plans] == [("az-1", True), ("az-2", False)]


def test_a_canary_that_lost_its_reason_is_told_once() -> None:
    """Slurm 22.05 forgets the reason when it powers a drained node up; what was just said is not said again before it shows."""
    site = Site(breakers={POOL: replace(BROKEN, canary=NODE, probe_at=NOW + 900)})
    waking = a_node(Power.WAKING, NODE, "", "DRAIN")
    booting = a_record(live=a_launch(sent_at=NOW, accepted_at=NOW), slurm=waking)
    assert says(a_round(site, booting, nodes=[waking])) == [(NODE, Saying.SHELVE)]
    assert says(a_round(site, booting, nodes=[waking], told=(NODE,))) == []
    assert says(a_round(site, booting, nodes=[replace(waking, reason="slurm-azure: paused: closed: ...")])) == []


def test_a_node_that_cannot_be_decided_on_stops_no_other() -> None:
    """Invariant 7: a fault of ours about one node is told, and the others get what they need."""
    broken = a_record(node=NodeName("az-1"), wishes=(None,))
    asking = a_record(node=NodeName("az-2"), wishes=(a_wish(node="az-2"),))
    here = facts(NOW, slurm_at=NOW - 1, list_at=NOW - 1)
    heard: list[str] = []
    cluster = Cluster({}, POOL_OF)
    decision = decide(
        [broken, asking], Site(), here, count([], here.policy, Site(), NOW), cluster, lambda node, _: heard.append(node)
    )
    assert heard == ["az-1"]
    assert [effect.ask.node for effect in decision.effects if isinstance(effect, Plan)] == ["az-2"]


def test_a_canary_that_joined_without_its_reason_is_freed() -> None:
    """Slurm 22.05 forgot the reason while nobody looked: no rule would tell the drain for ours later."""
    site = Site(breakers={POOL: replace(BROKEN, canary=NODE, probe_at=NOW + 900)})
    up = a_node(Power.UP, NODE, "", "DRAIN")
    booting = a_record(live=a_launch(sent_at=NOW - 60, accepted_at=NOW - 60, planned_at=NOW - 61), slurm=up)
    decision = a_round(site, booting, nodes=[up])
    assert (NODE, Saying.RESUME) in says(decision)
    assert decision.site.breakers[POOL].opened_at is None
