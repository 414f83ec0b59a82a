"""The Azure Retail Prices API, which needs no token ("Azure Retail Prices overview", Microsoft Learn).

Answers at /api/retail/prices, for whatever host: a client whose prices.azure.com leads here need not know. A page has at most
1,000 items; NextPageLink leads back to where the question came from. Listed are the priced regions and those of the estate;
any other region of Azure only where the filter asks for it. Prices are in USD alone: there are no rates of exchange here. Rows:
Linux and Windows pay-as-you-go, Spot and low priority, dev/test of Windows, and reservations of Linux.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.price_filter import Condition, FilterError, holds, parse, pinned
from slurm_azure.simulator.world.price_list import LOW_PRIORITY_PART, WINDOWS_PER_VCPU
from slurm_azure.simulator.world.regions import REGIONS
from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.world import World

PATH = "/api/retail/prices"
PAGE = 1000  # "a maximum of 1,000 records are returned"
_CASE_MATTERS_SINCE = "2023-01-01"
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_SINCE = "2026-06-01T00:00:00Z"  # the month of the figures
# What a reservation saves, and hours a year: the API prices the whole term. The parts have no source.
_RESERVED = (("1 Year", 8760, 0.62), ("3 Years", 26280, 0.41))
_PLACES = {
    "eastus": "US East",
    "eastus2": "US East 2",
    "northeurope": "EU North",
    "southcentralus": "US South Central",
    "southeastasia": "AP Southeast",
    "uksouth": "UK South",
    "westeurope": "EU West",
    "westus": "US West",
    "westus2": "US West 2",
    "westus3": "US West 3",
}


@dataclass(frozen=True, slots=True)
class _Offer:
    """One line of the price list, beside size and location. `words` go behind the names of meter and SKU."""

    usd: float
    words: str = ""
    windows: bool = False
    kind: str = "Consumption"
    term: str | None = None


class Prices:
    """Answers at prices.azure.com."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is not the price list's."""
        if call.path.rstrip("/").lower() != PATH:
            return None
        call.operation = "RetailPrices_List"
        if call.method != "GET":
            return _refused(405, "MethodNotAllowed", f"The HTTP method '{call.method}' is not supported at this location.")
        currency = call.query.get("currencyCode", "USD").strip("'\"").upper()
        if currency != "USD":
            return _refused(501, "NotImplemented", f"Prices in {currency} are not simulated: ask for USD.")
        if call.api_version and not _VERSION.fullmatch(call.api_version):
            return _refused(400, "BadRequest", f"The api-version '{call.api_version}' is not supported.")
        try:
            wanted = parse(call.query["$filter"]) if call.query.get("$filter", "").strip() else None
            skip, top = _number(call, "$skip"), _number(call, "$top")
        except FilterError:
            return _refused(400, "BadRequest", "Invalid OData parameters supplied")
        return self._page(call, wanted, skip or 0, top)

    def _page(self, call: Call, wanted: Condition | None, skip: int, top: int | None) -> Reply:
        fold = call.api_version < _CASE_MATTERS_SINCE
        rows = self._rows(wanted, fold)
        found = rows if wanted is None else (row for row in rows if holds(wanted, row, fold))
        size = PAGE if top is None else min(top, PAGE)
        items = list(islice(found, skip, skip + size + 1))
        more = len(items) > size and (top is None or top > size)
        following = {**call.query, "$skip": str(skip + size)} | ({"$top": str(top - size)} if top is not None else {})
        body = {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": items[:size],
            "NextPageLink": f"{call.base}{PATH}?{urlencode(following)}" if more else None,
            "Count": len(items[:size]),
        }
        return Reply(200, body)

    def _rows(self, wanted: Condition | None, fold: bool) -> Iterator[dict[str, Any]]:
        """All rows that may fit: those of one size or region alone, where the filter says so outright."""
        size, place = (pinned(wanted, name) if wanted else None for name in ("armSkuName", "armRegionName"))
        locations = sorted(self._world.locations | set(_PRICED))
        if place is not None:
            locations = sorted({*locations, *REGIONS})
            locations = [name for name in locations if name == (place.lower() if fold else place)]
        for location in locations:
            one = self._world.skus.find(size) if size is not None else None
            sizes = self._world.skus.in_location(location) if size is None else [one] if one is not None else []
            for item in sizes:
                for offer in self._offers(item, location):
                    yield _row(item, location, offer)

    def _offers(self, size: Size, location: str) -> Iterator[_Offer]:
        linux = self._world.prices.on_demand(size.name, location)
        if linux is None:
            return
        spot = self._world.prices.spot(size.name, location)
        license_fee = WINDOWS_PER_VCPU * size.quota_vcpus
        windows = size.capabilities.get("CpuArchitectureType") != "Arm64"
        yield _Offer(linux)
        if windows:
            yield _Offer(linux + license_fee, windows=True)
            yield _Offer(linux, windows=True, kind="DevTestConsumption")
        for words, part in ((" Spot", spot), (" Low Priority", linux * LOW_PRIORITY_PART)):
            if spot is not None and part is not None:
                yield _Offer(part, words)
                if windows:
                    yield _Offer(part * (linux + license_fee) / linux, words, windows=True)
        for term, hours, share in _RESERVED:
            yield _Offer(round(linux * share * hours), kind="Reservation", term=term)


_PRICED = ("eastus", "southcentralus", "southeastasia", "uksouth", "westeurope")


def _row(size: Size, location: str, offer: _Offer) -> dict[str, Any]:
    name = size.size.replace("_", " ") + offer.words
    product, product_id = _product(size.size, offer.windows)
    meter = hashlib.md5(f"{product}|{name}|{location}".encode(), usedforsecurity=False).hexdigest()
    price = round(offer.usd, 6)
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        **({"reservationTerm": offer.term} if offer.term else {}),
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": location,
        "location": _PLACES.get(location, location),
        "effectiveStartDate": _SINCE,
        "meterId": f"{meter[:8]}-{meter[8:12]}-5{meter[13:16]}-8{meter[17:20]}-{meter[20:]}",
        "meterName": name,
        "productId": product_id,
        "skuId": f"{product_id}/{meter[:4].upper()}",
        "productName": product,
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": offer.kind,
        "isPrimaryMeterRegion": True,
        "armSkuName": size.name,
    }


@functools.lru_cache(maxsize=1024)
def _product(size: str, windows: bool) -> tuple[str, str]:
    """Name and id of a product: D2s_v5 is of the Dsv5 Series, HB120-16rs_v3 of HBrsv3, NC24ads_A100_v4 of NCadsA100v4."""
    head, _, rest = size.partition("_")
    series = re.sub(r"[\d-]", "", head) + rest.replace("_", "")
    name = f"Virtual Machines {series} Series" + (" Windows" if windows else "")
    return name, f"DZH318Z0{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:4].upper()}"


def _number(call: Call, name: str) -> int | None:
    """A query parameter that counts items; raises FilterError."""
    text = call.query.get(name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise FilterError(f"{name} is not a number")
    return int(text)


def _refused(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"Error": {"Code": code, "Message": message}})
