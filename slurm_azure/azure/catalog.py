"""What VM sizes have and cost: the packaged list (sizes.json, made by packaging/make-sizes.py, which names its sources)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size. `memory_gib` is GiB as Azure states it; slurmd sees some percent less.

    `usd_per_hour` has pay-as-you-go prices (Linux) by location; a location that is not in it has no known price.
    """

    name: str
    vcpus: int
    vcpus_per_core: int
    memory_gib: float
    gpus: int
    usd_per_hour: Mapping[str, float]

    @property
    def cores(self) -> int:
        """Physical cores: on sizes with simultaneous multithreading two vCPUs are one core."""
        return max(1, self.vcpus // self.vcpus_per_core)


class Catalog:
    """The VM sizes that are known, by name (Azure takes names in any case)."""

    def __init__(self, sizes: Iterable[Size]) -> None:
        self._by_name = {size.name.lower(): size for size in sizes}

    @classmethod
    def load(cls) -> Self:
        """The packaged list."""
        document = json.loads(files("slurm_azure.azure").joinpath("sizes.json").read_text("utf-8"))
        return cls(_size(row) for row in document["sizes"])

    def size(self, name: str) -> Size | None:
        """The size of that name; None = not in the list (Azure may know it all the same)."""
        return self._by_name.get(name.lower())

    def price(self, name: str, location: str) -> float | None:
        """USD per hour on demand (Linux); None = not known."""
        size = self.size(name)
        return None if size is None else size.usd_per_hour.get(location)

    def names(self) -> list[str]:
        """All names, sorted, as Azure writes them."""
        return sorted(size.name for size in self._by_name.values())


def _size(row: dict[str, Any]) -> Size:
    return Size(
        name=row["name"],
        vcpus=row["vcpus"],
        vcpus_per_core=row["vcpus_per_core"],
        memory_gib=float(row["memory_gib"]),
        gpus=row["gpus"],
        usd_per_hour=MappingProxyType(row["usd_per_hour"]),
    )
