"""What `status` computes, from values alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.cli.overview import Overview, PoolView, overview
from slurm_azure.model import (
    Failure,
    FailureReason,
    Launch,
    NodeName,
    PoolName,
    Power,
    RequestKind,
    SlurmNode,
    Stage,
    Wish,
)
from slurm_azure.web.state import NodeState
from tests.support.nodes import NOW, a_launch, a_node, a_wish

POOL_OF = {f"az-{n}": PoolName("hb") for n in range(1, 11)}
CAPACITY = Failure(FailureReason.CAPACITY, "no room in zone 2")


def seen(*launches: Launch, wishes: tuple[Wish, ...] = (), slurm: list[SlurmNode] | None = None, **changes: Any) -> Overview:
    """The overview of one pool of ten nodes at NOW + 100."""
    by_name = None if slurm is None else {node.name: node for node in slurm}
    return overview(changes.get("pool_of", POOL_OF), launches, wishes, 0, by_name, NOW + 100)


def the_pool(view: Overview) -> PoolView:
    """The only pool."""
    (pool,) = view.pools
    return pool


def test_nodes_are_counted_by_state() -> None:
    """Each node is in one state: that of its live launch, else releasing while a VM of it dies, else off."""
    pool = the_pool(
        seen(
            a_launch("az-1", "l1"),
            a_launch("az-2", "l2", accepted_at=NOW),
            a_launch("az-3", "l3", accepted_at=NOW, running_at=NOW),
            a_launch("az-4", "l4", accepted_at=NOW, running_at=NOW, joined_at=NOW),
            a_launch("az-5", "l5", accepted_at=NOW, released_at=NOW),
        )
    )
    assert pool.nodes == 10
    counts = {state.value: count for state, count in pool.states.items() if count}
    assert counts == {"off": 5, "planned": 1, "creating": 1, "running": 1, "joined": 1, "releasing": 1}


def test_a_node_that_comes_back_while_its_old_vm_dies_is_counted_once() -> None:
    """Two VMs, one node: it stands where its live launch stands."""
    pool = the_pool(seen(a_launch("az-1", "l1", accepted_at=NOW, released_at=NOW), a_launch("az-1", "l2", accepted_at=NOW)))
    assert (pool.states[NodeState.CREATING], pool.states[NodeState.RELEASING], pool.vms) == (1, 0, 2)


def test_a_node_we_hold_down_is_failed() -> None:
    """Down with one of our reasons and no launch: failed. Down by an administrator: just off."""
    held = a_node(Power.OFF, "az-1", "slurm-azure: capacity: none", down=True)
    theirs = a_node(Power.OFF, "az-2", "disk swap", down=True)
    pool = the_pool(seen(slurm=[held, theirs]))
    assert pool.states[NodeState.FAILED] == 1
    assert pool.states[NodeState.OFF] == 9
    assert pool.slurm is not None
    assert (pool.slurm["off"], pool.slurm["down"], pool.slurm["unknown"]) == (2, 2, 8)


def test_without_slurm_nothing_is_claimed_about_it() -> None:
    """No answer is None, not a row of zeros."""
    assert the_pool(seen()).slurm is None


def test_cost_is_that_of_vms_that_exist() -> None:
    """A planned launch costs nothing yet, a dying one still does, one without a price is told apart."""
    pool = the_pool(
        seen(
            a_launch("az-1", "l1", price=3.0),
            a_launch("az-2", "l2", price=3.0, accepted_at=NOW),
            a_launch("az-3", "l3", price=2.0, accepted_at=NOW, released_at=NOW),
            a_launch("az-4", "l4", price=None, accepted_at=NOW),
            a_launch("az-5", "l5", price=9.0, accepted_at=NOW, gone_at=NOW),
        )
    )
    assert (pool.vms, pool.cost_per_hour, pool.unpriced) == (3, 5.0, 1)


def test_launches_of_a_pool_that_is_configured_no_more_show() -> None:
    """Their VMs cost money, so they may not be out of sight."""
    view = seen(a_launch("az-1", "l1", accepted_at=NOW, price=1.0), pool_of={"gpu-1": PoolName("gpu")})
    assert [(pool.name, pool.nodes, pool.vms) for pool in view.pools] == [("gpu", 1, 0), ("hb", 1, 1)]


def test_what_is_on_its_way_is_grouped() -> None:
    """Launches of one pool, stage and offer are one group, with the age of the oldest; joined ones have arrived."""
    view = seen(
        a_launch("az-1", "l1", planned_at=NOW - 50, accepted_at=NOW),
        a_launch("az-2", "l2", accepted_at=NOW),
        a_launch("az-3", "l3", accepted_at=NOW, joined_at=NOW),
        a_launch("az-4", "l4", accepted_at=NOW, joined_at=NOW, released_at=NOW + 30),
    )
    assert [(one.stage, sorted(one.nodes), one.since) for one in view.motion] == [
        (Stage.CREATING, ["az-1", "az-2"], NOW - 50),
        (Stage.RELEASED, ["az-4"], NOW + 30),
    ]


def test_failures_of_the_last_hour_by_reason() -> None:
    """Grouped by reason with the latest words; older ones are history."""
    old = a_launch("az-1", "l0", planned_at=NOW - 9000, failure=CAPACITY, released_at=NOW - 8000, gone_at=NOW - 8000)
    one = a_launch("az-1", "l1", failure=Failure(FailureReason.CAPACITY, "first"), released_at=NOW)
    two = a_launch("az-2", "l2", failure=CAPACITY, released_at=NOW + 10, gone_at=NOW + 11)
    (found,) = seen(old, one, two).failures
    assert (found.reason, list(found.nodes), found.count) == ("capacity", ["az-1", "az-2"], 2)
    assert (found.last, found.detail) == (NOW + 10, "no room in zone 2")


def test_a_late_failure_of_an_old_launch_is_recent() -> None:
    """What counts is when it failed, not when it began: a VM taken away after days."""
    view = seen(a_launch(planned_at=NOW - 400_000, joined_at=NOW - 399_000, failure=CAPACITY, released_at=NOW))
    assert len(view.failures) == 1


def test_pending_by_kind() -> None:
    """Wishes of all requests of a kind together, with the age of the oldest and every job once."""
    wishes = (
        a_wish(RequestKind.RESUME, "az-1", NOW + 1, 7, 8),
        a_wish(RequestKind.RESUME, "az-2", NOW, 7, request="r2"),
        a_wish(RequestKind.SUSPEND, "az-3", NOW),
    )
    found = seen(wishes=wishes).pending
    assert [(one.kind, list(one.nodes), one.since, list(one.jobs)) for one in found] == [
        (RequestKind.RESUME, ["az-1", "az-2"], NOW, [7, 8]),
        (RequestKind.SUSPEND, ["az-3"], NOW, []),
    ]


MOMENT = st.none() | st.floats(NOW - 100, NOW + 100)


@given(
    st.lists(
        st.tuples(st.integers(1, 12), MOMENT, MOMENT, MOMENT, MOMENT),
        max_size=30,
    )
)
def test_states_add_up(rows: list[tuple[int, float | None, float | None, float | None, float | None]]) -> None:
    """Whatever the launches are, every node of the pool is in exactly one state."""
    launches = [
        a_launch(f"az-{n}", f"l{i}", accepted_at=accepted, joined_at=joined, released_at=released, gone_at=gone)
        for i, (n, accepted, joined, released, gone) in enumerate(rows)
    ]
    pool = the_pool(seen(*launches, slurm=[a_node(name=NodeName("az-1"))]))
    assert sum(pool.states.values()) == pool.nodes
    assert pool.nodes == len({*POOL_OF, *(launch.node for launch in launches if launch.gone_at is None)})
    assert pool.slurm is not None
    assert sum(pool.slurm[word] for word in ("off", "powering up", "up", "powering down", "unknown")) == pool.nodes
