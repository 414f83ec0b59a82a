"""Limits and prices that a fault changes, and how what held before holds again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurm_azure.simulator.faults.kinds import Capacity, Price, Quota
from slurm_azure.simulator.world.world import World

Lift = Callable[[], None]


def change(world: World, locations: tuple[str, ...], what: Any) -> Lift:
    """Let the fault's limit or price hold, in some regions or (none named) in all; what undoes it. What the estate says holds
    again then, not what another fault said."""
    if isinstance(what, Capacity):
        return _each(locations, lambda location: _capacity(world, location, what))
    if isinstance(what, Quota):
        return _each(locations, lambda location: _quota(world, location, what))
    assert isinstance(what, Price)
    places = locations or tuple(sorted(world.locations))
    return _each(places, lambda location: _price(world, str(location), what))


def _each(locations: tuple[str, ...], work: Callable[[str | None], Lift]) -> Lift:
    lifts = [work(location) for location in locations or (None,)]

    def lift() -> None:
        for one in lifts:
            one()

    return lift


def _capacity(world: World, location: str | None, what: Capacity) -> Lift:
    terms = {
        "location": location,
        "size": None if what.size == "*" else what.size,
        "zone": None if what.zone == "*" else what.zone,
        "priority": None if what.priority == "*" else what.priority,
    }
    world.capacity.limit(what.hosts, answer=what.answer, **terms)
    before = next((e for e in world.estate.offering.capacity if all(getattr(e, k) == v for k, v in terms.items())), None)

    def lift() -> None:
        world.capacity.limit(before.hosts if before else None, answer=before.answer if before else None, **terms)

    return lift


def _quota(world: World, location: str | None, what: Quota) -> Lift:
    key = (what.subscription, location, what.usage)
    world.quotas.limit(*key, what.limit)
    before = [e.limit for e in world.estate.offering.quotas if (e.subscription, e.location, e.name) == key]
    return lambda: world.quotas.limit(*key, before[-1] if before else None)


def _price(world: World, location: str, what: Price) -> Lift:
    spot = what.priority == "Spot"
    before = (world.prices.spot if spot else world.prices.on_demand)(what.size, location)

    def put(usd: float | None) -> None:
        world.prices.change(what.size, location, on_demand=None if spot else usd, spot=usd if spot else None)

    put(what.usd)
    return lambda: put(before)
