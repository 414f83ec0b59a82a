"""What VMs cost, USD per hour.

On demand: prices.json (its source says from where) for five regions. Elsewhere, and for sizes that one of the five does not
price, the price is derived: that of East US, or of whichever of the five has one, times 1.1. Spot: derived throughout, for the
source has none; a size's Spot price is a fixed part, from 11 % to 40 %, of its price on demand, told by its family and region
("Up to 90 percent" discount: Use Azure Spot Virtual Machines). Windows: 0.046 USD a vCPU on top, the difference on the list of
the D series. Low priority: a fifth of the price on demand.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import zlib
from collections.abc import Callable, Iterable

from slurm_azure.simulator.offering import PriceEntry
from slurm_azure.simulator.world.skus import Size, Skus

DERIVED_FACTOR = 1.1
WINDOWS_PER_VCPU = 0.046
LOW_PRIORITY_PART = 0.2


Watch = Callable[[str, str | None], None]


def _nobody(size: str, location: str | None) -> None:
    """Nobody is told."""


class PriceList:
    """Prices by size and location; both can be changed at any time."""

    def __init__(self, skus: Skus, entries: Iterable[PriceEntry] = ()) -> None:
        self._skus = skus
        self._changed: dict[tuple[str, str | None, bool], float] = {}
        self._watch: Watch = _nobody
        for entry in entries:
            self.change(entry.size, entry.location, on_demand=entry.on_demand, spot=entry.spot)

    def change(
        self, size: str, location: str | None = None, *, on_demand: float | None = None, spot: float | None = None
    ) -> None:
        """From now on a size costs this (USD per hour; None = as before), in a location or (None) in all. A Spot price that
        was not set follows the price on demand."""
        for value, is_spot in ((on_demand, False), (spot, True)):
            if value is not None:
                self.put(size, location, is_spot, value)

    def put(self, size: str, location: str | None, spot: bool, usd: float | None) -> None:
        """The same for one of the two prices; None takes back what was set for this location (or, None, for all)."""
        key = (size.lower(), location, spot)
        if usd is None:
            self._changed.pop(key, None)
        else:
            self._changed[key] = usd
        self._watch(size, location)

    def set_for(self, size: str, location: str | None, spot: bool) -> float | None:
        """What was set for exactly this location (or, None, for all); None if nothing was."""
        return self._changed.get((size.lower(), location, spot))

    def tell(self, watch: Watch) -> None:
        """Who is told, from now on, that a size has another price in a location or (None) in all: on demand, Spot or both."""
        self._watch = watch

    def on_demand(self, size: str, location: str) -> float | None:
        """The price of a Linux VM; None for a size that the list does not have."""
        set_here = self._set(size, location, False)
        if set_here is not None:
            return set_here
        return _figure(size.lower(), location)

    def spot(self, size: str, location: str) -> float | None:
        """The Spot price of a Linux VM; None for a size without price or that cannot be Spot."""
        set_here = self._set(size, location, True)
        if set_here is not None:
            return set_here
        known, price = self._skus.find(size), self.on_demand(size, location)
        if known is None or price is None or not known.has("LowPriorityCapable"):
            return None
        return round(price * spot_part(known, location), 6)

    def _set(self, size: str, location: str, spot: bool) -> float | None:
        here = self._changed.get((size.lower(), location, spot))
        return here if here is not None else self._changed.get((size.lower(), None, spot))


def spot_part(size: Size, location: str) -> float:
    """What part of the price on demand the Spot price is."""
    return (11 + zlib.crc32(f"{size.family}|{location}".encode()) % 30) / 100


@functools.cache
def _table() -> dict[str, dict[str, float]]:
    text = importlib.resources.files(__package__).joinpath("prices.json").read_text(encoding="utf-8")
    regions: dict[str, dict[str, float]] = json.loads(text)["usd_per_hour"]
    return {where: {name.lower(): price for name, price in known.items()} for where, known in regions.items()}


def _figure(size: str, location: str) -> float | None:
    known = _table().get(location, {}).get(size)
    if known is not None:
        return known
    for where in ("eastus", *sorted(_table())):
        found = _table()[where].get(size)
        if found is not None:
            return round(found * DERIVED_FACTOR, 6)
    return None
