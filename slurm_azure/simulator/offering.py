"""What an estate says about what is to be had: further sizes, restrictions, quotas, capacity and prices.

    "sizes":        [{"name": "Standard_X4", "like": "Standard_D4s_v5", "vcpus": 4, "memory_gib": 16, "family": "xFamily",
                      "zones": ["1"], "locations": ["westeurope"], "capabilities": {"PremiumIO": "False"}}]
    "restrictions": [{"size": "Standard_HC44rs", "location": "westeurope", "zones": ["1"], "subscription": "<id>",
                      "reason": "NotAvailableForSubscription"}]          (or QuotaId)
    "quotas":       [{"name": "cores", "limit": 100, "location": "westeurope", "subscription": "<id>"}]
                     names: cores, virtualMachines, lowPriorityCores, or a family such as standardDSv5Family
    "capacity":     [{"hosts": 10, "size": "Standard_D2s_v5", "zone": "1", "priority": "Spot", "location": "westeurope",
                      "answer": "SkuNotAvailable"}]
    "prices":       [{"size": "Standard_D2s_v5", "location": "westeurope", "on_demand": 0.1, "spot": 0.02}]   (USD per hour)

What can be left out means "any"; only a restriction without zones restricts the location as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.resource_id import location_name

KEYS = ("sizes", "restrictions", "quotas", "capacity", "prices")

_STRICT = ConfigDict(extra="forbid")
Name = Annotated[str, Field(min_length=1)]
Zone = Literal["1", "2", "3"]
Location = Annotated[str, Field(min_length=1), AfterValidator(location_name)]
Answer = Literal[
    "AllocationFailed", "ZonalAllocationFailed", "OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest",
    "SkuNotAvailable",
]  # fmt: skip
SizeName = Annotated[str, Field(pattern=r"^(Standard|Basic)_[A-Za-z0-9_-]+$")]


@dataclass(frozen=True, slots=True)
class SizeEntry:
    """A size that the table does not have, or has otherwise; what is not given is as with the size it is `like`."""

    __pydantic_config__ = _STRICT

    name: SizeName
    like: Name | None = None
    family: Name | None = None
    vcpus: Annotated[int, Field(ge=1)] | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    zones: tuple[Zone, ...] | None = None
    locations: tuple[Location, ...] | None = None
    capabilities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A size that subscriptions may not use: in the whole location, or in some zones of it."""

    __pydantic_config__ = _STRICT

    size: Name
    location: Location | None = None
    zones: tuple[Zone, ...] = ()
    subscription: Name | None = None
    reason: Literal["NotAvailableForSubscription", "QuotaId"] = "NotAvailableForSubscription"


@dataclass(frozen=True, slots=True)
class QuotaEntry:
    """A limit."""

    __pydantic_config__ = _STRICT

    name: Name
    limit: Annotated[int, Field(ge=0)]
    location: Location | None = None
    subscription: Name | None = None


@dataclass(frozen=True, slots=True)
class CapacityEntry:
    """So many hosts and no more; `answer` is the error where there are none left, None = what the VM asks for decides."""

    __pydantic_config__ = _STRICT

    hosts: Annotated[int, Field(ge=0)]
    location: Location | None = None
    size: Name | None = None
    zone: Zone | None = None
    priority: Literal["Regular", "Spot"] | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """Prices of a size, USD per hour."""

    __pydantic_config__ = _STRICT

    size: Name
    location: Location | None = None
    on_demand: Annotated[float, Field(gt=0)] | None = None
    spot: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True)
class Offering:
    """All of it; empty = everything of the table, in any number."""

    __pydantic_config__ = _STRICT

    sizes: tuple[SizeEntry, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    quotas: tuple[QuotaEntry, ...] = ()
    capacity: tuple[CapacityEntry, ...] = ()
    prices: tuple[PriceEntry, ...] = ()


EVERYTHING = Offering()


@cache
def _reader() -> TypeAdapter[Offering]:
    """Made when an estate says something: it takes a twentieth of a second, which most starts can spare."""
    return TypeAdapter(Offering)


def read(written: Mapping[str, Any], source: str) -> Offering:
    """The offering of an estate whose top level is `written`; raises ConfigError with the place of each mistake."""
    said = {key: written[key] for key in KEYS if key in written}
    if not said:
        return EVERYTHING
    try:
        return _reader().validate_python(said)
    except ValidationError as error:
        mistakes = [f"{_place(item['loc'])}: {_words(item['type'], item['msg'])}" for item in error.errors(include_url=False)]
        raise ConfigError(source, mistakes) from None


def _words(kind: str, said: str) -> str:
    """Pydantic's words, but for those that speak of Python."""
    ours = {
        "tuple_type": "has to be a list",
        "dataclass_type": "has to be an object",
        "unexpected_keyword_argument": "is not known here",
    }
    return ours.get(kind, said)


def _place(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")
