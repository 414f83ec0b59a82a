"""Generic resources of a pool: counts from its `gres:`, and the lines of gres.conf for them.

A cloud node that is powered down cannot tell what it has, so count and files stand in the configuration
(man gres.conf; AutoDetect works on the node alone).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from slurm_azure.config import Pool
from slurm_azure.hostlist import expand, fold

_MULTIPLES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True, slots=True)
class Gres:
    """One entry of a pool's `gres:`, such as gpu:a100:4; `kind` is '' without a type."""

    name: str
    kind: str
    count: int


def read_gres(text: str) -> Gres:
    """`gpu:a100:4`, `gpu:4` or `scratch:100G` (the configuration has checked its form)."""
    *words, count = text.split(":")
    match = re.fullmatch(r"(\d+)([KMGT]?)", count)
    if match is None:
        raise ValueError(f"{text!r} is no gres; write for instance gpu:a100:4")
    return Gres(words[0], words[1] if len(words) > 1 else "", int(match[1]) * _MULTIPLES[match[2]])


def gpus(pool: Pool) -> int:
    """How many GPUs Slurm is told a node of `pool` has."""
    return sum(gres.count for gres in map(read_gres, pool.gres) if gres.name == "gpu")


def gres_lines(pool: Pool) -> Iterator[str]:
    """The lines of gres.conf for `pool`; GPUs of several types take their device files one after the other."""
    nodes = fold(expand(pool.nodes))
    first = 0
    for gres in map(read_gres, pool.gres):
        kind = f" Type={gres.kind}" if gres.kind else ""
        if gres.name == "gpu" and gres.count:
            yield f"NodeName={nodes} Name=gpu{kind} File={_devices(pool, first, gres.count)}"
            first += gres.count
        else:
            yield f"NodeName={nodes} Name={gres.name}{kind} Count={gres.count}"


def _devices(pool: Pool, first: int, count: int) -> str:
    """The device files of `count` GPUs: AMD's are render nodes (numbered from 128), NVIDIA's are /dev/nvidia0 and up."""
    amd = any("MI300" in size for size in pool.sizes)
    stem, start = ("/dev/dri/renderD", 128 + first) if amd else ("/dev/nvidia", first)
    return f"{stem}{start}" if count == 1 else f"{stem}[{start}-{start + count - 1}]"
