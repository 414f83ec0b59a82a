#!/usr/bin/env python3
"""Make slurm_azure/azure/sizes.json: what VM sizes have, and what they cost.

    packaging/make-sizes.py DATA > slurm_azure/azure/sizes.json

DATA is a directory with three files:
  skus-*.json     rows as the resource SKUs API sends them: {"source": ..., "value": [...]}
  sizes-*.json    rows as cyclecloud-scalelib keeps them:   {"source": ..., "sizes": [...]}
  prices.json     {"source": ..., "usd_per_hour": {location: {size: price}}}

Sizes that are in neither of the first two are entered by hand below, after Microsoft Learn, "Sizes for virtual machines in
Azure" (the page of each series). Where Microsoft's lists differ from each other about the memory (HBv3, HBv4, HBv5), the
smaller figure stands here: a node that is told to have less than it has works, one that is told to have more is drained.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

BY_HAND = (
    "entered by hand 2026-11 after Microsoft Learn, Sizes for virtual machines in Azure; HB, HX, GPU, E v5 and L v3 rows "
    "compared with the list of AKS node sizes in microsoft/aspire; cores by thread not compared with the API"
)


def series(
    pattern: str, vcpus: list[int], gib_per_vcpu: float, per_core: int, memory: dict[int, float] | None = None
) -> Iterator[Row]:
    """A series whose memory grows with its vCPUs; `memory` has the exceptions (GiB by vCPUs)."""
    for count in vcpus:
        gib = (memory or {}).get(count, count * gib_per_vcpu)
        yield row(pattern.format(count), count, per_core, gib)


def row(name: str, vcpus: int, per_core: int, memory_gib: float, gpus: int = 0, source: str = "hand") -> Row:
    """One size."""
    return {
        "name": f"Standard_{name.removeprefix('Standard_')}",
        "vcpus": vcpus,
        "vcpus_per_core": per_core,
        "memory_gib": memory_gib,
        "gpus": gpus,
        "source": source,
    }


def by_hand() -> Iterator[Row]:
    """HPC, GPU and general sizes that are current in 2026."""
    v5 = [2, 4, 8, 16, 32, 48, 64, 96]
    for pattern in ("D{}s_v5", "D{}ds_v5", "D{}as_v5", "D{}ads_v5"):
        yield from series(pattern, v5, 4, 2)
    for pattern in ("E{}s_v5", "E{}ds_v5"):
        yield from series(pattern, [2, 4, 8, 16, 20, 32, 48, 64, 96], 8, 2, {64: 512, 96: 672})
    for pattern in ("E{}as_v5", "E{}ads_v5"):
        yield from series(pattern, [2, 4, 8, 16, 20, 32, 48, 64, 96], 8, 2, {96: 672})
    yield from series("D{}as_v6", [2, 4, 8, 16, 32, 48, 64, 96], 4, 2)
    yield from series("D{}s_v6", [2, 4, 8, 16, 32, 48, 64, 96, 128], 4, 2)
    yield from series("F{}s_v2", [2, 4, 8, 16, 32, 48, 64, 72], 2, 2)
    yield from series("L{}s_v3", [8, 16, 32, 48, 64, 80], 8, 2)
    # HPC: simultaneous multithreading is off; sizes with fewer cores keep the memory of the whole machine.
    for cores in ("120", "120-96", "120-64", "120-32", "120-16"):
        yield row(f"HB{cores}rs_v3", int(cores.split("-")[-1]), 1, 448)
    for cores in ("176", "176-144", "176-96", "176-48", "176-24"):
        yield row(f"HB{cores}rs_v4", int(cores.split("-")[-1]), 1, 704)
        yield row(f"HX{cores}rs", int(cores.split("-")[-1]), 1, 1408)
    yield row("HB368rs_v5", 368, 1, 438)
    yield row("HB120rs_v2", 120, 1, 456)
    yield row("HC44rs", 44, 1, 352)
    yield from gpu_sizes()


def gpu_sizes() -> Iterator[Row]:
    """GPU sizes; a part of a GPU counts as one, as the machine sees it."""
    for vcpus, gib, gpus in ((48, 440, 2), (96, 880, 4)):
        yield row(f"NC{vcpus}ads_A100_v4", vcpus, 1, gib, gpus)
    yield row("NC40ads_H100_v5", 40, 1, 320, 1)
    yield row("NC80adis_H100_v5", 80, 1, 640, 2)
    for vcpus, gib, gpus in ((4, 28, 1), (8, 56, 1), (64, 440, 4)):
        yield row(f"NC{vcpus}as_T4_v3", vcpus, 1, gib, gpus)
    for vcpus, gib, gpus in ((12, 224, 2), (24, 448, 4)):
        yield row(f"NC{vcpus}s_v3", vcpus, 1, gib, gpus)
    for vcpus, gib, gpus in ((6, 55, 1), (12, 110, 1), (18, 220, 1), (36, 440, 1), (72, 880, 2)):
        yield row(f"NV{vcpus}ads_A10_v5", vcpus, 2, gib, gpus)
    yield row("NV36adms_A10_v5", 36, 2, 880, 1)
    yield row("ND40rs_v2", 40, 1, 672, 8)
    yield row("ND96asr_v4", 96, 1, 900, 8)
    for name, gib in (("amsr_A100_v4", 1900), ("isr_H100_v5", 1900), ("isr_H200_v5", 1850), ("isr_MI300X_v5", 1850)):
        yield row(f"ND96{name}", 96, 1, gib, 8)


def from_data(items: list[Row], source: str) -> Iterator[Row]:
    """Rows of a size list; capabilities are a list of names and texts (the API) or a mapping (scalelib)."""
    for item in items:
        given = item["capabilities"]
        has: Row = given if isinstance(given, dict) else {capability["name"]: capability["value"] for capability in given}
        vcpus = int(has.get("vCPUsAvailable") or has["vCPUs"])  # sizes with constrained vCPUs have fewer available
        yield row(item["name"], vcpus, int(has["vCPUsPerCore"]), float(has["MemoryGB"]), int(has.get("GPUs") or 0), source)


def collect(data: Path) -> Row:
    """The whole document. Rows by hand win over older lists, and lose against the API's own."""
    prices = json.loads((data / "prices.json").read_text())
    found: dict[str, Row] = {}
    sources = {"prices": prices["source"]}
    for file in sorted(data.glob("sizes-*.json")):
        content = json.loads(file.read_text())
        sources["scalelib"] = content["source"]
        found |= {size["name"]: size for size in from_data(content["sizes"], "scalelib")}
    found |= {size["name"]: size for size in by_hand()}
    sources["hand"] = BY_HAND
    for file in sorted(data.glob("skus-*.json")):
        content = json.loads(file.read_text())
        sources["skus"] = content["source"]
        found |= {size["name"]: size for size in from_data(content["value"], "skus")}
    by_location: dict[str, dict[str, float]] = prices["usd_per_hour"]
    for name, size in found.items():
        size["usd_per_hour"] = {where: known[name] for where, known in sorted(by_location.items()) if name in known}
    return {"sources": sources, "sizes": [found[name] for name in sorted(found)]}


def main() -> None:
    """One size a line, so that a change shows as such."""
    document = collect(Path(sys.argv[1]))
    lines = ",\n".join(json.dumps(size) for size in document["sizes"])
    sources = json.dumps(document["sources"], indent=1)
    sys.stdout.write(f'{{"sources": {sources},\n"sizes": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
