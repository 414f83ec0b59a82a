"""What a round shows to Prometheus, from the world, the site and the policy alone."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.standing import cluster_state
from slurm_azure.daemon.world import World
from slurm_azure.lifecycle.park import KEPT
from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy, Site
from slurm_azure.model import (
    Breaker,
    CoolDown,
    Failure,
    FailureReason,
    Launch,
    LeftoverKind,
    NodeName,
    Offer,
    Pause,
    PoolName,
    Power,
    Priority,
)
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level, NodeState
from tests.support.configs import a_config
from tests.support.nodes import NOW, OFFER, POOL, a_launch, a_node

SPOT = Offer(OFFER.size, None, Priority.SPOT)
POOL_OF = {NodeName(f"az-{n}"): POOL for n in range(1, 11)}


def a_policy(**caps: Caps) -> Policy:
    """One pool of two offers in partition `cloud`; caps of `pool`, `partition`, `site` as given."""
    pool = PoolPolicy(
        POOL, (SPOT, OFFER), 600.0, cores={OFFER.size: 2}, caps=caps.get("pool", Caps()), partitions=("cloud",),
    )  # fmt: skip
    return Policy({POOL: pool}, caps.get("site", Caps()), {"cloud": caps.get("partition", Caps())})


def shown(
    *launches: Launch, policy: Policy | None = None, site: Site | None = None, world: World | None = None, **changes: Any
) -> ClusterState:
    """The state of a pool of ten nodes with these launches, at NOW + 100."""
    world = world or World(dict(POOL_OF))
    for launch in launches:
        world.put(launch)
    world.site = site or Site()
    settings = Settings(a_config(), POOL_OF, policy or a_policy(), lambda launch: "", lambda pool, offer: None)
    return cluster_state(world, settings, 3, NOW + 100, slurm_ok=True, azure_ok=False, **changes)


def counts(state: ClusterState) -> dict[NodeState, int]:
    """Nodes of the pool by state, those that there are."""
    return {which: number for (_, which), number in state.nodes.items() if number}


def test_each_node_counts_once() -> None:
    """Two VMs of one node on their way out, a kept one, one that was replaced and lives again: ten nodes in all."""
    state = shown(
        a_launch("az-1", "l1", accepted_at=NOW, released_at=NOW),
        a_launch("az-1", "l2", accepted_at=NOW, released_at=NOW),
        a_launch("az-2", "l3", accepted_at=NOW, released_at=NOW, release_reason=KEPT, deallocated_at=NOW),
        a_launch("az-3", "l4", accepted_at=NOW, released_at=NOW),
        a_launch("az-3", "l5", accepted_at=NOW),
    )
    assert counts(state) == {NodeState.RELEASING: 1, NodeState.KEPT: 1, NodeState.CREATING: 1, NodeState.OFF: 7}


def test_nodes_that_are_held_down_have_failed() -> None:
    """With our reason and no launch; an administrator's is off as far as we know."""
    world = World(dict(POOL_OF))
    world.slurm = {
        NodeName("az-1"): a_node(Power.OFF, "az-1", "slurm-azure: quota: x", down=True),
        NodeName("az-2"): a_node(Power.OFF, "az-2", "disk", down=True),
    }
    assert counts(shown(world=world)) == {NodeState.FAILED: 1, NodeState.OFF: 9}


def test_the_age_of_a_wake_up_counts_from_its_first_attempt() -> None:
    """Slurm waits since then, whichever attempt it is."""
    state = shown(a_launch(planned_at=NOW + 90, asked_at=NOW, attempt=2), a_launch("az-2", "l2", joined_at=NOW, asked_at=1.0))
    assert state.oldest_pending_seconds == {POOL: 100}


def test_kept_vms_cost_nothing_by_the_hour() -> None:
    """Azure bills no host for them; VMs without a known price cannot be counted."""
    state = shown(
        a_launch("az-1", "l1", accepted_at=NOW, price=3.0),
        a_launch("az-2", "l2", accepted_at=NOW, price=3.0, released_at=NOW, release_reason=KEPT, deallocated_at=NOW + 1),
        a_launch("az-3", "l3", accepted_at=NOW),
        a_launch("az-4", "l4", price=3.0),
    )
    assert state.cost_per_hour == {POOL: 3.0}


def test_this_months_money() -> None:
    """Launches that are over, those that run, and a pool that is configured no more."""
    old = PoolName("old")
    state = shown(
        a_launch(accepted_at=NOW - 3500, price=2.0),
        a_launch("x-1", "l2", pool=old, accepted_at=NOW - 3500, price=1.0),
        site=Site(spent={POOL: 5.0, old: 7.0}),
    )
    assert state.spent == {POOL: pytest.approx(7.0), old: pytest.approx(8.0)}


def test_limits_that_are_set_and_what_is_used_of_them() -> None:
    """Nodes on their way out count until they are gone; what is not limited is not shown."""
    policy = a_policy(
        site=Caps(nodes=10, booting=4), partition=Caps(cores=100), pool=Caps(cost_per_hour=9.0, cost_per_month=99.0)
    )
    state = shown(
        a_launch("az-1", "l1", accepted_at=NOW, joined_at=NOW, price=3.6),
        a_launch("az-2", "l2", sent_at=NOW, accepted_at=NOW, released_at=NOW, price=3.6),
        a_launch("az-3", "l3", price=3.6),
        policy=policy,
        site=Site(spent={POOL: 10.0}),
    )
    assert [view for view in state.budgets if view.kind is not BudgetKind.COST_PER_MONTH] == [
        BudgetView(Level.SITE, "", BudgetKind.NODES, 3, 10),
        BudgetView(Level.SITE, "", BudgetKind.BOOTING, 1, 4),
        BudgetView(Level.PARTITION, "cloud", BudgetKind.CORES, 6, 100),
        BudgetView(Level.POOL, "hb", BudgetKind.COST_PER_HOUR, pytest.approx(10.8), 9),  # type: ignore[arg-type]
    ]
    (month,) = (view for view in state.budgets if view.kind is BudgetKind.COST_PER_MONTH)
    assert (month.level, month.name, month.limit) == (Level.POOL, "hb", 99)
    assert month.used == pytest.approx(10.2)


def test_what_is_closed_cold_paused_or_open() -> None:
    """Each offer of the configuration is warm or cold; what is over is not shown."""
    site = Site(
        cool_downs={
            "priority spot": CoolDown("priority spot", FailureReason.CAPACITY, "", NOW, NOW + 200),
            "site": CoolDown("site", FailureReason.NETWORK, "", NOW, NOW + 50),
        },
        breakers={POOL: Breaker(POOL, 5, "", NOW), PoolName("gpu"): Breaker(PoolName("gpu"), 2)},
        pauses={None: Pause(None, NOW, NOW + 50, "ann"), POOL: Pause(POOL, NOW, None, "ann")},
    )
    state = shown(site=site, closed={POOL: Failure(FailureReason.PAUSED, "")}, leftovers={LeftoverKind.DISK: 2})
    assert state.closed == {POOL: FailureReason.PAUSED}
    assert state.cold == {(POOL, SPOT): True, (POOL, OFFER): False}
    assert (state.breakers, state.paused, state.leftovers) == ([POOL], [POOL], {LeftoverKind.DISK: 2})
    assert (state.spool_depth, state.slurm_reachable, state.azure_reachable) == (3, True, False)
