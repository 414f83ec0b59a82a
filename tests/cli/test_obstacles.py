"""What `status` shows of closed pools, from values alone: why, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.cli.obstacles import Closed, Obstacles, obstacles, paragraphs
from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy, Site
from slurm_azure.model import Breaker, CoolDown, FailureReason, Launch, Pause
from tests.support.nodes import NODE, NOW, OFFER, POOL, a_launch


def seen(*launches: Launch, caps: Caps | None = None, **site: Any) -> Obstacles:
    """One pool of one offer, at NOW."""
    policy = Policy({POOL: PoolPolicy(POOL, (OFFER,), resume_timeout=600.0, caps=caps or Caps())})
    return obstacles(policy, Site(**site), launches, NOW)


def the_closed(view: Obstacles) -> Closed:
    """The only closed pool."""
    (closed,) = view.closed
    return closed


def a_cool_down(key: str, reason: FailureReason = FailureReason.CAPACITY, seconds: float = 300.0) -> CoolDown:
    """One that began just now."""
    return CoolDown(key, reason, "no room", NOW, NOW + seconds)


def test_nothing_in_the_way() -> None:
    """A site that is well has no paragraph."""
    assert paragraphs(seen(a_launch(accepted_at=NOW)), NOW) == []


@pytest.mark.parametrize(
    ("pauses", "until"),
    [
        ([Pause(None, NOW, NOW + 60, "root")], NOW + 60),
        ([Pause(None, NOW, NOW + 60, "root"), Pause(POOL, NOW, NOW + 90, "root")], NOW + 90),
        ([Pause(None, NOW, NOW + 60, "root"), Pause(POOL, NOW, None, "root")], None),
    ],
)
def test_a_paused_pool_opens_with_its_last_pause(pauses: list[Pause], until: float | None) -> None:
    """The site's and the pool's own both count."""
    closed = the_closed(seen(pauses={pause.pool: pause for pause in pauses}))
    assert (closed.failure.reason, closed.until) == (FailureReason.PAUSED, until)


def test_a_pool_without_a_warm_offer_opens_with_the_first_one() -> None:
    """A cold offer closes its only pool until it is warm; one of another size does not."""
    cold = a_cool_down(f"offer {OFFER.size}/-/on-demand")
    closed = the_closed(seen(cool_downs={cold.key: cold}))
    assert (closed.failure.reason, closed.until) == (FailureReason.CAPACITY, NOW + 300)
    other = a_cool_down("offer Standard_X/-/on-demand")
    view = seen(cool_downs={other.key: other})
    assert (view.closed, view.cool_downs) == ([], [other])


def test_a_budget_that_is_used_up_has_no_end() -> None:
    """Nobody knows when a VM will go."""
    view = seen(a_launch(accepted_at=NOW), caps=Caps(nodes=1))
    closed = the_closed(view)
    assert (closed.failure.reason, closed.until) == (FailureReason.BUDGET, None)
    assert paragraphs(view, NOW)[-1].splitlines()[-1].split() == ["pool", "hb", "nodes", "1", "1", "100%"]
    (limit,) = view.budgets
    assert (limit.used, limit.limit) == (1, 1)


def test_an_open_breaker_waits_for_its_canary() -> None:
    """Closed as paused; the paragraph says when the next canary is due, or which one boots."""
    breaker = Breaker(POOL, 5, "az-3: no key", NOW - 9, NOW + 61)
    view = seen(breakers={POOL: breaker})
    assert the_closed(view).until is None
    assert "open     in 1m01s" in paragraphs(view, NOW)[-1]
    waiting = Breaker(POOL, 5, "az-3: no key", NOW - 9, NOW + 61, canary=NODE)
    assert "az-1 boots" in paragraphs(seen(breakers={POOL: waiting}), NOW)[-1]


def test_a_breaker_that_only_counts_closes_nothing() -> None:
    """Two failed boots are shown, and nodes are made all the same; a breaker at rest is not shown."""
    view = seen(breakers={POOL: Breaker(POOL, 2, "az-3: no key")})
    assert view.closed == []
    assert paragraphs(view, NOW)[0].splitlines()[-1].split() == ["hb", "2", "-", "-", "az-3:", "no", "key"]
    assert seen(breakers={POOL: Breaker(POOL)}).breakers == []


def test_what_runs_is_spent_too() -> None:
    """This month's money is that of launches that are over and of those that run."""
    view = seen(a_launch(accepted_at=NOW - 3600, price=2.0), spent={POOL: 10.0})
    assert view.spent == {POOL: pytest.approx(12.0)}
