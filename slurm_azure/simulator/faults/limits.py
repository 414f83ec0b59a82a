"""Limits and prices that faults change, and how what held before holds again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slurm_azure.simulator.faults.kinds import Capacity, Price, Quota
from slurm_azure.simulator.offering import CapacityEntry
from slurm_azure.simulator.world.world import World

Lift = Callable[[], None]
_Key = tuple[Any, ...]
_Put = Callable[[Any], None]


class HeldLimits:
    """Of several faults that say something of the same limit the last one counts; when one is lifted, that of those that are
    left, and in the end what the estate says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[_Key, list[tuple[Any]]] = {}  # tuples of one: the same number said twice is two
        self._before: dict[_Key, Any] = {}

    def hold(self, locations: tuple[str, ...], what: Any) -> Lift:
        """Let the fault's limit or price hold, in some regions or (none named) in all; what lifts it."""
        lifts = [self._each(location, what) for location in self._places(locations, what)]

        def lift() -> None:
            for one in lifts:
                one()

        return lift

    def _places(self, locations: tuple[str, ...], what: Any) -> tuple[str | None, ...]:
        if isinstance(what, Price):  # a price that the estate sets for a region goes before one for all
            return locations or tuple(sorted(self._world.locations))
        return locations or (None,)

    def _each(self, location: str | None, what: Any) -> Lift:
        if isinstance(what, Capacity):
            return self._capacity(location, what)
        if isinstance(what, Quota):
            return self._quota(location, what)
        return self._price(location, what)

    def _push(self, key: _Key, value: Any, before: Any, put: _Put) -> Lift:
        """`put` the value; what puts the one that counts afterwards: `before` the first if there is none."""
        mine = (value,)
        held = self._held.setdefault(key, [])
        if not held:
            self._before[key] = before
        held.append(mine)
        put(value)

        def lift() -> None:
            held[:] = [one for one in held if one is not mine]
            put(held[-1][0] if held else self._before[key])
            if not held:
                self._held.pop(key, None)

        return lift

    def _capacity(self, location: str | None, what: Capacity) -> Lift:
        terms = {
            "location": location,
            "size": None if what.size == "*" else what.size,
            "zone": None if what.zone == "*" else what.zone,
            "priority": None if what.priority == "*" else what.priority,
        }

        def put(one: CapacityEntry | Capacity | None) -> None:
            self._world.capacity.limit(one.hosts if one else None, answer=one.answer if one else None, **terms)

        said = (e for e in self._world.estate.offering.capacity if all(_same(getattr(e, k), v) for k, v in terms.items()))
        return self._push(("capacity", *map(_lower, terms.values())), what, next(said, None), put)

    def _quota(self, location: str | None, what: Quota) -> Lift:
        key = (what.subscription, location, what.usage)
        said = [
            e.limit for e in self._world.estate.offering.quotas if all(map(_same, (e.subscription, e.location, e.name), key))
        ]
        put: _Put = lambda limit: self._world.quotas.limit(*key, limit)  # noqa: E731
        return self._push(("quota", *map(_lower, key)), what.limit, said[-1] if said else None, put)

    def _price(self, location: str | None, what: Price) -> Lift:
        prices, spot = self._world.prices, what.priority == "Spot"
        key = (what.size.lower(), location, spot)
        return self._push(("price", *key), what.usd, prices.set_for(*key), lambda usd: prices.put(*key, usd))


def _same(one: str | None, other: str | None) -> bool:
    return _lower(one) == _lower(other)


def _lower(text: str | None) -> str | None:
    return text and text.lower()
