"""VM sizes: the figures of a table where it has them, else those that Azure's naming rule gives away.

Table: sizes.json, which says where its rows come from. Rule: "Azure virtual machine sizes naming conventions"; the GiB per
vCPU of a family are those of its general description and are an approximation.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from dataclasses import dataclass

_NAME = re.compile(r"(?:Standard|Basic)_(?P<family>[A-Z]+?)(?P<vcpus>\d+)(?:-(?P<constrained>\d+))?[a-z]*(?:_[A-Za-z0-9]+)*")
_GIB_PER_VCPU = {
    "A": 2, "B": 4, "D": 4, "E": 8, "F": 2, "FX": 21, "H": 7, "HB": 3.8, "HC": 8, "HX": 8, "L": 8, "M": 28, "N": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size; memory in MiB."""

    name: str
    vcpus: int
    memory_mib: int


def known(name: str) -> bool:
    """Whether this can be the name of a VM size."""
    return name.lower() in _table() or _NAME.fullmatch(name) is not None


@functools.lru_cache(maxsize=256)
def figures(name: str) -> Size:
    """The figures of a size; raises KeyError if it is no size's name."""
    row = _table().get(name.lower())
    if row is not None:
        return row
    match = _NAME.fullmatch(name)
    if match is None:
        raise KeyError(name)
    vcpus = int(match["constrained"] or match["vcpus"])
    per_vcpu = _GIB_PER_VCPU.get(match["family"], _GIB_PER_VCPU.get(match["family"][0], 4))
    return Size(name, vcpus, int(int(match["vcpus"]) * per_vcpu * 1024))


def names() -> list[str]:
    """The sizes of the table."""
    return [size.name for size in _table().values()]


@functools.cache
def _table() -> dict[str, Size]:
    text = importlib.resources.files(__package__).joinpath("sizes.json").read_text(encoding="utf-8")
    rows = json.loads(text)["sizes"]
    return {name.lower(): Size(name, int(vcpus), int(float(gib) * 1024)) for name, (vcpus, gib) in rows.items()}
