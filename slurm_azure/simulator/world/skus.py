"""VM sizes: what each has, where it is offered, and to whom not.

Figures: skus.json, each row with its source; a size that is in neither the table nor the estate does not exist. Azure has no
public list of what each region offers: here every location offers every size, in the zones of its row (those of South Central
US for rows of the API), but for regions that Microsoft lists without availability zones ("Azure regions list").
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.offering import CapacityEntry, Offering, PriceEntry, Restriction, SizeEntry

WITHOUT_ZONES = frozenset(
    """
    australiacentral australiacentral2 australiasoutheast brazilsoutheast canadaeast francesouth germanynorth jioindiacentral
    jioindiawest koreasouth northcentralus norwaywest southafricawest southindia swedensouth switzerlandwest uaecentral ukwest
    westcentralus westindia westus
    """.split()  # noqa: SIM905 - one name after the other
)
_GIB = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """A VM size; memory in MiB. `capabilities` are what the resource SKUs API says, all values text, in its order.

    `quota_vcpus` counts against quotas: a size with constrained vCPUs pays for the whole machine (OpenAPI,
    VirtualMachineSize.numberOfCores). A `lenient` size's capabilities are not enforced: the table says why.
    """

    name: str
    tier: str
    size: str
    family: str
    vcpus: int
    quota_vcpus: int
    memory_mib: int
    zones: tuple[str, ...]
    capabilities: Mapping[str, str]
    locations: frozenset[str] | None = None  # None = all
    lenient: bool = False

    @property
    def architecture(self) -> str:
        """x64 or Arm64."""
        return self.capabilities.get("CpuArchitectureType", "x64")

    def has(self, capability: str) -> bool:
        """Whether a capability is "True"."""
        return self.capabilities.get(capability) == "True"

    def number(self, capability: str) -> int:
        """A capability that counts something; 0 where the size does not have it."""
        return int(self.capabilities.get(capability, "0"))

    def local_disks(self) -> dict[str, int]:
        """GiB of each place where an ephemeral OS disk may be; {} if it may be nowhere."""
        if not self.has("EphemeralOSDiskSupported"):
            return {}
        there = {
            "CacheDisk": self.number("CachedDiskBytes") // _GIB,
            "ResourceDisk": self.number("MaxResourceVolumeMB") // 1024,
            "NvmeDisk": self.number("NvmeDiskSizeInMiB") // 1024,
        }
        told = self.capabilities.get("SupportedEphemeralOSDiskPlacements")
        # Some rows of the API support ephemeral OS disks and name no placement: these are of before NVMe placement.
        allowed = told.split(",") if told else ["CacheDisk", "ResourceDisk"]
        return {place: gib for place, gib in there.items() if place in allowed and gib}


class Skus:
    """The sizes of this Azure: those of the table and those of the estate, which come before the table's of the same name."""

    def __init__(self, entries: Iterable[SizeEntry] = (), restrictions: Iterable[Restriction] = ()) -> None:
        self._sizes = {**_table(), **{entry.name.lower(): _from_estate(entry) for entry in entries}}
        self._restrictions: dict[str, list[Restriction]] = {}
        for restriction in restrictions:
            self._restrictions.setdefault(restriction.size.lower(), []).append(restriction)

    def check(self, said: Offering) -> None:
        """Raise ConfigError if an estate says something of a size that there is not: it would be without any effect."""
        lists: dict[str, tuple[Restriction | CapacityEntry | PriceEntry, ...]]
        lists = {"restrictions": said.restrictions, "capacity": said.capacity, "prices": said.prices}
        mistakes = [
            f"{name}[{number}].size: {entry.size} is not among the sizes"
            for name, entries in lists.items()
            for number, entry in enumerate(entries)
            if entry.size is not None and self.find(entry.size) is None
        ]
        if mistakes:
            raise ConfigError("estate", mistakes)

    def find(self, name: str) -> Size | None:
        """The size of that name, in whatever case."""
        return self._sizes.get(name.lower())

    def in_location(self, location: str) -> list[Size]:
        """The sizes offered there, by name."""
        return [size for _, size in sorted(self._sizes.items()) if self.offers(size, location)]

    def offers(self, size: Size, location: str) -> bool:
        """Whether a location has the size at all."""
        return size.locations is None or location in size.locations

    def has_zones(self, location: str) -> bool:
        """Whether a location has availability zones."""
        return location not in WITHOUT_ZONES

    def zones(self, size: Size, location: str) -> tuple[str, ...]:
        """The zones of a location that have the size."""
        return size.zones if self.has_zones(location) else ()

    def location_zones(self, location: str) -> tuple[str, ...]:
        """All zones of a location."""
        return ("1", "2", "3") if self.has_zones(location) else ()

    def restrictions(self, size: Size, location: str, subscription: str) -> list[Restriction]:
        """Why a subscription may not use a size in a location."""
        return [
            restriction
            for restriction in self._restrictions.get(size.name.lower(), ())
            if restriction.location in (None, location)
            and (restriction.subscription is None or restriction.subscription.lower() == subscription.lower())
        ]

    def families(self) -> list[str]:
        """All families, by name."""
        return sorted({size.family for size in self._sizes.values()}, key=str.lower)

    def restricted(self, size: Size, location: str, subscription: str, zone: str | None) -> bool:
        """Whether a VM of the size is refused there: the location is restricted, or the zone it is to be in."""
        found = self.restrictions(size, location, subscription)
        return any(not restriction.zones or zone in restriction.zones for restriction in found)


@functools.cache
def _table() -> dict[str, Size]:
    text = importlib.resources.files(__package__).joinpath("skus.json").read_text(encoding="utf-8")
    return {row["name"].lower(): _from_row(row) for row in json.loads(text)["sizes"]}


def _from_row(row: Mapping[str, Any], locations: frozenset[str] | None = None) -> Size:
    has = row["capabilities"]
    return Size(
        name=row["name"],
        tier=row["tier"],
        size=row["size"],
        family=row["family"],
        vcpus=int(has["vCPUsAvailable"]),
        quota_vcpus=int(has["vCPUs"]),
        memory_mib=int(float(has["MemoryGB"]) * 1024),
        zones=tuple(row["zones"]),
        capabilities=has,
        locations=locations,
        lenient="lenient" in row,
    )


def _from_estate(entry: SizeEntry) -> Size:
    """A size of the estate: like the one it is `like`, but for what it says itself. Raises ConfigError if that is none."""
    model = _table().get((entry.like or "").lower())
    if entry.like is not None and model is None:
        raise ConfigError("estate", [f"sizes: {entry.name} cannot be like {entry.like}, which is not in the table of sizes"])
    tier, _, size = entry.name.partition("_")
    has = dict(model.capabilities) if model else dict(_PLAIN)
    given = {"vCPUs": entry.vcpus, "vCPUsAvailable": entry.vcpus, "MemoryGB": entry.memory_gib}
    has |= {name: f"{value:g}" for name, value in given.items() if value is not None}
    has |= entry.capabilities
    row = {
        "name": entry.name,
        "tier": tier,
        "size": size,
        "family": entry.family or (model.family if model else f"standard{size}Family"),
        "zones": entry.zones if entry.zones is not None else (model.zones if model else ("1", "2", "3")),
        "capabilities": has,
    }
    return _from_row(row, None if entry.locations is None else frozenset(entry.locations))


_PLAIN = {
    "MaxResourceVolumeMB": "0",
    "OSVhdSizeMB": "1047552",
    "vCPUs": "1",
    "HyperVGenerations": "V1,V2",
    "MemoryGB": "1",
    "MaxDataDiskCount": "32",
    "CpuArchitectureType": "x64",
    "LowPriorityCapable": "True",
    "PremiumIO": "True",
    "VMDeploymentTypes": "IaaS",
    "vCPUsAvailable": "1",
    "vCPUsPerCore": "1",
    "EphemeralOSDiskSupported": "False",
    "EncryptionAtHostSupported": "True",
    "CapacityReservationSupported": "False",
    "AcceleratedNetworkingEnabled": "True",
    "RdmaEnabled": "False",
    "MaxNetworkInterfaces": "8",
}
