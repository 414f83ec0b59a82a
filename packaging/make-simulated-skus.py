#!/usr/bin/env python3
"""Make the simulated Azure's tables of VM sizes and prices.

    packaging/make-simulated-skus.py DATA

writes slurm_azure/simulator/world/skus.json and slurm_azure/simulator/world/prices.json. DATA is a directory with three files:
  skus-*.json     rows as the resource SKUs API sends them: {"source": ..., "value": [...]}
  sizes-*.json    rows as cyclecloud-scalelib keeps them:   {"source": ..., "sizes": [...]}
  prices.json     {"source": ..., "usd_per_hour": {location: {size: price}}}

Rows of the first two are carried over with all their capabilities (values as text, as the API sends them). All others are
entered by hand below, after Microsoft Learn, "Sizes for virtual machines in Azure" (the page of each series); family names
after the API's rows and OpenShift's list of tested Azure machine types. A row's `source` says which it is. Prices are kept for
the sizes of the table alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

WORLD = Path(__file__).parents[1] / "slurm_azure" / "simulator" / "world"
ALL_ZONES = ["1", "2", "3"]
BY_HAND = (
    "entered by hand 2026-11 after Microsoft Learn, Sizes for virtual machines in Azure; figures of throughput left out, zones "
    "taken to be all three unless the series is one of those that were never zonal; not compared with the API"
)
EXAMPLES = (
    "Microsoft's OpenAPI examples make VMs of this size in ways that its size pages rule out (premium storage on D1_v2; NVMe "
    "placement and a 30 GB OS disk on a resource disk of 7 GB on DS1_v2): its capabilities are shown, and not enforced"
)


def row(
    name: str,
    family: str,
    vcpus: int,
    gib: float,
    disks: int,
    nics: int,
    temp_gib: float = 0,
    cache_gib: int = 0,
    nvme: tuple[int, int] | None = None,
    zones: Sequence[str] = (*ALL_ZONES,),
    tier: str = "Standard",
    **more: Any,
) -> Row:
    """One size. `nvme` is the number of local NVMe disks and the MiB of each; `more` overrides or adds capabilities."""
    total, _, constrained = name.partition("-")
    whole = int("".join(c for c in total if c.isdigit())) if constrained else vcpus
    premium = bool(more.pop("premium", True))
    has: Row = {
        "MaxResourceVolumeMB": int(temp_gib * 1024),
        "OSVhdSizeMB": 1047552,
        "vCPUs": whole,
        "MemoryPreservingMaintenanceSupported": True,
        "HyperVGenerations": "V1,V2",
        "MemoryGB": f"{gib:g}",
        "MaxDataDiskCount": disks,
        "CpuArchitectureType": "x64",
        "LowPriorityCapable": True,
        "PremiumIO": premium,
        "VMDeploymentTypes": "IaaS",
        "vCPUsAvailable": vcpus,
        "vCPUsPerCore": 2,
    }
    if constrained:
        has["ParentSize"] = f"Standard_{_parent(name)}"
    if cache_gib:
        has["CachedDiskBytes"] = cache_gib * 2**30
    if nvme is not None:
        has |= {"NvmeDiskSizeInMiB": nvme[0] * nvme[1], "NvmeSizePerDiskInMiB": nvme[1]}
    placements = [place for place, there in (("ResourceDisk", temp_gib), ("CacheDisk", cache_gib)) if there] if premium else []
    if more.pop("nvme_placement", False) and nvme:
        placements.append("NvmeDisk")
    has |= {
        "EphemeralOSDiskSupported": bool(placements),
        "SupportedEphemeralOSDiskPlacements": ",".join(placements) or None,
        "EncryptionAtHostSupported": premium,
        "CapacityReservationSupported": False,
        "AcceleratedNetworkingEnabled": True,
        "RdmaEnabled": False,
        "MaxNetworkInterfaces": nics,
    }
    capabilities = {key: text(value) for key, value in (has | more).items() if value is not None}
    return {
        "name": f"{tier}_{name}",
        "tier": tier,
        "size": name,
        "family": family,
        "zones": list(zones),
        "source": "hand",
        "capabilities": capabilities,
    }


def _parent(name: str) -> str:
    total, _, rest = name.partition("-")
    return total + rest.lstrip("0123456789")


def text(value: Any) -> str:
    """A capability's value as the API sends it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def series(pattern: str, family: str, columns: Sequence[tuple[Any, ...]], **more: Any) -> Iterator[Row]:
    """A series: vCPUs, GiB, data disks, interfaces; where it has them, GiB of temporary disk, GiB of cache, NVMe disks."""
    for vcpus, *rest in columns:
        yield row(pattern.format(vcpus), family, vcpus, *rest, **more)


STEPS_8 = (2, 4, 8, 16, 32, 48, 64, 96)
DISKS_8, NICS_8 = (4, 8, 16, 32, 32, 32, 32, 32), (2, 2, 4, 8, 8, 8, 8, 8)
STEPS_9 = (2, 4, 8, 16, 20, 32, 48, 64, 96)
DISKS_9, NICS_9 = (4, 8, 16, 32, 32, 32, 32, 32, 32), (2, 2, 4, 8, 8, 8, 8, 8, 8)
TEMP_9, CACHE_9 = (75, 150, 300, 600, 750, 1200, 1800, 2400, 3600), (50, 100, 200, 400, 500, 800, 1200, 1600, 2400)
TEMP_8, CACHE_8 = TEMP_9[:4] + TEMP_9[5:], CACHE_9[:4] + CACHE_9[5:]
# (count, MiB each): local NVMe disks of the v6 series
NVME_8 = ((1, 112640), (1, 225280), (1, 450560), (2, 450560), (4, 450560), (6, 450560), (4, 901120), (6, 901120))


def general_purpose() -> Iterator[Row]:
    """The D series from v3 on, and the older ones that Microsoft's examples use."""
    mem = [4 * n for n in STEPS_8]
    plain = list(zip(STEPS_8, mem, DISKS_8, NICS_8, strict=True))
    temp = [(*a, t) for a, t in zip(plain, TEMP_8, strict=True)]
    both = [(*a, c) for a, c in zip(temp, CACHE_8, strict=True)]
    yield from series("D{}s_v5", "standardDSv5Family", plain)
    yield from series("D{}ds_v5", "standardDDSv5Family", both)
    yield from series("D{}as_v5", "standardDASv5Family", plain)
    yield from series("D{}ads_v5", "standardDADSv5Family", temp)
    yield from series("D{}s_v4", "standardDSv4Family", plain[:7])
    yield from series("D{}ds_v4", "standardDDSv4Family", both[:7])
    arm = list(zip(STEPS_8[:7], (*mem[:6], 208), DISKS_8, (2, 2, 4, 4, 8, 8, 8), strict=False))
    armed = {"CpuArchitectureType": "Arm64", "HyperVGenerations": "V2", "vCPUsPerCore": 1, "TrustedLaunchDisabled": True}
    yield from series("D{}ps_v5", "standardDPSv5Family", arm, **armed)
    yield from series("D{}pds_v5", "standardDPDSv5Family", [(*a, t) for a, t in zip(arm, TEMP_8, strict=False)], **armed)
    yield from v6("D", 4)
    v3 = ((4, 16, 8, 2, 32, 100), (8, 32, 16, 4, 64, 200), (16, 64, 32, 8, 128, 400), (32, 128, 32, 8, 256, 800))
    yield from series("D{}s_v3", "standardDSv3Family", [*v3, (48, 192, 32, 8, 384, 1200)], ACUs=160)
    old = {"premium": False, "HyperVGenerations": "V1"}
    yield from series("D{}_v3", "standardDv3Family", [(4, 16, 8, 2, 100), (8, 32, 16, 4, 200)], ACUs=160, **old)
    yield from older()


def older() -> Iterator[Row]:
    """A, B, Dv2 and the confidential sizes."""
    old = {"premium": False, "HyperVGenerations": "V1", "vCPUsPerCore": 1}
    slow: Row = {"AcceleratedNetworkingEnabled": False}
    v2 = {"vCPUsPerCore": 1, "ACUs": 210}
    lenient = {"lenient": EXAMPLES}
    yield row("D1_v2", "standardDv2Family", 1, 3.5, 4, 2, 50, ACUs=210, **old, **slow) | lenient
    yield row("DS1_v2", "standardDSv2Family", 1, 3.5, 4, 2, 7, 43, **v2, **slow) | lenient
    for number, vcpus, gib, disks, nics, temp in ((3, 4, 14, 16, 4, 200), (4, 8, 28, 32, 8, 400), (5, 16, 56, 64, 8, 800)):
        yield row(f"D{number}_v2", "standardDv2Family", vcpus, gib, disks, nics, temp, ACUs=210, **old)
    for number, vcpus, gib, disks, nics, temp, cache in (
        (3, 4, 14, 16, 4, 28, 172),
        (4, 8, 28, 32, 8, 56, 344),
        (5, 16, 56, 64, 8, 112, 688),
    ):
        yield row(f"DS{number}_v2", "standardDSv2Family", vcpus, gib, disks, nics, temp, cache, **v2)
    a_series = {**old, **slow, "zones": (), "VMDeploymentTypes": "IaaS,PaaS"}
    basic = {**a_series, "LowPriorityCapable": False, "VMDeploymentTypes": "IaaS"}
    yield row("A0", "basicAFamily", 1, 0.75, 1, 2, 20, tier="Basic", **basic)
    yield row("A1", "standardA0_A7Family", 1, 1.75, 2, 2, 70, ACUs=100, **a_series)
    a_v2 = ((1, 2, 2, 2, 10), (2, 4, 4, 2, 20), (4, 8, 8, 4, 40), (8, 16, 16, 8, 80))
    yield from series("A{}_v2", "standardAv2Family", a_v2, ACUs=100, **{**a_series, "zones": ALL_ZONES})
    for name, vcpus, gib, disks, nics, temp in (
        ("B1ls", 1, 0.5, 2, 2, 4),
        ("B1ms", 1, 2, 2, 2, 4),
        ("B2s", 2, 4, 4, 3, 8),
        ("B2ms", 2, 8, 4, 3, 16),
        ("B4ms", 4, 16, 8, 4, 32),
        ("B8ms", 8, 32, 16, 4, 64),
    ):
        burst = {"vCPUsPerCore": 1, "LowPriorityCapable": False, **slow}
        yield row(name, "standardBSFamily", vcpus, gib, disks, nics, temp, 30, **burst)
    confidential = {"HyperVGenerations": "V2", "AcceleratedNetworkingEnabled": True}
    amd = ((2, 8, 4, 2), (4, 16, 8, 2), (8, 32, 16, 4), (16, 64, 32, 8))
    yield from series("DC{}as_v5", "standardDCASv5Family", amd, ConfidentialComputingType="SNP", **confidential)
    intel = {**confidential, "AcceleratedNetworkingEnabled": False, "LowPriorityCapable": False}
    yield from series("DC{}es_v5", "standardDCEV5Family", amd[:3], ConfidentialComputingType="TDX", **intel)


def v6(letter: str, ratio: int) -> Iterator[Row]:
    """D and E of the sixth version: NVMe alone, generation 2 alone."""
    low = letter.lower() if letter == "E" else "d"
    family = f"Standard{letter}" if letter == "E" else "StandardD"
    new = {"HyperVGenerations": "V2", "DiskControllerTypes": "NVMe"}
    steps, disks = (*STEPS_8, 128), (8, 12, 24, 48, 64, 64, 64, 64, 64)
    intel = [(n, ratio * n, d, i) for n, d, i in zip(steps, disks, (*NICS_8, 8), strict=True)]
    yield from series(f"{letter}{{}}s_v6", f"{family}sv6Family", intel, **new)
    nvme = (*NVME_8, (4, 1802240))
    local = [(*a, 0, 0, disk) for a, disk in zip(intel, nvme, strict=True)]
    yield from series(f"{letter}{{}}ds_v6", f"{family}dsv6Family", local, nvme_placement=True, **new)
    amd = [(n, 672 if ratio * n > 672 else ratio * n, d, i) for n, d, i in zip(STEPS_8, DISKS_8, NICS_8, strict=True)]
    yield from series(f"{letter}{{}}as_v6", f"standard{letter}av6Family", amd, ACUs=230 if low == "d" else None, **new)
    local = [(*a, 0, 0, disk) for a, disk in zip(amd, NVME_8, strict=True)]
    yield from series(f"{letter}{{}}ads_v6", f"standard{letter}adv6Family", local, nvme_placement=True, **new)


def memory_compute_storage() -> Iterator[Row]:
    """E, F, L and M."""
    mem = [512 if n == 64 else 672 if n == 96 else 8 * n for n in STEPS_9]
    plain = list(zip(STEPS_9, mem, DISKS_9, NICS_9, strict=True))
    temp = [(*a, t) for a, t in zip(plain, TEMP_9, strict=True)]
    both = [(*a, c) for a, c in zip(temp, CACHE_9, strict=True)]
    yield from series("E{}s_v5", "standardESv5Family", plain)
    yield from series("E{}ds_v5", "standardEDSv5Family", both)
    yield from series("E{}as_v5", "standardEASv5Family", plain)
    yield from series("E{}ads_v5", "standardEADSv5Family", temp)
    e_v3 = ((2, 16, 4, 2, 32, 50), (4, 32, 8, 2, 64, 100), (8, 64, 16, 4, 128, 200), (16, 128, 32, 8, 256, 400))
    yield from series("E{}s_v3", "standardESv3Family", e_v3, ACUs=160)
    yield from v6("E", 8)
    f_v2 = zip(
        (2, 4, 8, 16, 32, 48, 64, 72),
        (4, 8, 16, 32, 64, 96, 128, 144),
        DISKS_8,
        (2, 2, 4, 4, 8, 8, 8, 8),
        (16, 32, 64, 128, 256, 384, 512, 576),
        (32, 64, 128, 256, 512, 768, 1024, 1520),
        strict=True,
    )
    yield from series("F{}s_v2", "standardFSv2Family", list(f_v2), ACUs=195)
    f_v6 = [(n, 4 * n, d, i) for n, d, i in zip(STEPS_8[:7], DISKS_8, NICS_8, strict=False)]
    new = {"HyperVGenerations": "V2", "DiskControllerTypes": "NVMe", "vCPUsPerCore": 1}
    yield from series("F{}as_v6", "StandardFasv6Family", f_v6, **new)
    yield from series("F{}als_v6", "StandardFalsv6Family", [(n, 2 * n, d, i) for n, _, d, i in f_v6], **new)
    large = ((8, 1, 16, 4), (16, 2, 32, 8), (32, 4, 32, 8), (48, 6, 32, 8), (64, 8, 32, 8), (80, 10, 32, 8))
    l_v3 = [(n, 8 * n, disks, nics, 10 * n, 0, (count, 1831054)) for n, count, disks, nics in large]
    yield from series("L{}s_v3", "standardLSv3Family", l_v3)
    huge = ((64, 1024, 64, 8, 2048, 6348), (128, 2048, 64, 8, 4096, 12696))
    yield from series("M{}s", "standardMSFamily", huge, ACUs=160, MemoryPreservingMaintenanceSupported=False)


def high_performance() -> Iterator[Row]:
    """HPC sizes: simultaneous multithreading is off; those with fewer cores keep all else of the whole machine."""
    hpc: Row = {"vCPUsPerCore": 1, "RdmaEnabled": True, "MemoryPreservingMaintenanceSupported": False}
    modern = {**hpc, "HyperVGenerations": "V2"}
    for cores in ("120", "120-96", "120-64", "120-32", "120-16"):
        n = int(cores.split("-")[-1])
        yield row(f"HB{cores}rs_v3", "standardHBv3Family", n, 448, 32, 8, 480, 0, (2, 915527), **hpc)
    for cores in ("176", "176-144", "176-96", "176-48", "176-24"):
        n = int(cores.split("-")[-1])
        yield row(f"HB{cores}rs_v4", "standardHBv4Family", n, 704, 32, 8, 480, 0, (2, 1831054), **modern)
        yield row(f"HX{cores}rs", "standardHXFamily", n, 1408, 32, 8, 480, 0, (2, 1831054), **modern)
    yield row("HB368rs_v5", "standardHBv5Family", 368, 438, 32, 8, 480, 0, (8, 1831054), **modern)
    yield row("HC44rs", "standardHCSFamily", 44, 352, 4, 8, 700, **hpc)


def gpus() -> Iterator[Row]:
    """GPU sizes; a part of a GPU counts as one, as in the API."""
    base: Row = {"vCPUsPerCore": 1, "MemoryPreservingMaintenanceSupported": False}
    gen2 = {**base, "HyperVGenerations": "V2"}
    a100, h100 = "StandardNCADSA100v4Family", "StandardNCadsH100v5Family"
    yield row("NC48ads_A100_v4", a100, 48, 440, 16, 4, 128, 512, (2, 915527), **gen2, GPUs=2)
    yield row("NC96ads_A100_v4", a100, 96, 880, 32, 8, 256, 1024, (4, 915527), **gen2, GPUs=4)
    yield row("NC40ads_H100_v5", h100, 40, 320, 8, 2, 128, 0, (1, 3662109), **gen2, GPUs=1)
    yield row("NC80adis_H100_v5", h100, 80, 640, 16, 4, 256, 0, (2, 3662109), **gen2, GPUs=2)
    t4 = "Standard NCASv3_T4 Family"
    for vcpus, gib, disks, nics, temp, count in ((4, 28, 8, 2, 176, 1), (8, 56, 16, 4, 352, 1), (64, 440, 32, 8, 2816, 4)):
        yield row(f"NC{vcpus}as_T4_v3", t4, vcpus, gib, disks, nics, temp, **base, GPUs=count)
    yield row("NC12s_v3", "standardNCSv3Family", 12, 224, 24, 8, 1474, zones=(), **base, GPUs=2)
    yield row("NC24s_v3", "standardNCSv3Family", 24, 448, 32, 8, 2948, zones=(), **base, GPUs=4)
    a10 = {**base, "vCPUsPerCore": 2}
    for name, vcpus, gib, disks, nics, temp, count in (
        ("NV6ads_A10_v5", 6, 55, 4, 2, 180, 1),
        ("NV12ads_A10_v5", 12, 110, 4, 2, 360, 1),
        ("NV18ads_A10_v5", 18, 220, 8, 4, 720, 1),
        ("NV36ads_A10_v5", 36, 440, 16, 4, 1440, 1),
        ("NV36adms_A10_v5", 36, 880, 32, 8, 2880, 1),
        ("NV72ads_A10_v5", 72, 880, 32, 8, 2880, 2),
    ):
        yield row(name, "StandardNVADSA10v5Family", vcpus, gib, disks, nics, temp, **a10, GPUs=count)
    nd: Row = {**gen2, "RdmaEnabled": True, "GPUs": 8}
    yield row("ND40rs_v2", "standardNDSv2Family", 40, 672, 8, 8, 2948, zones=(), **nd)
    yield row("ND96asr_v4", "Standard NDASv4_A100 Family", 96, 900, 16, 8, 6000, **{**nd, "vCPUsPerCore": 1})
    yield row("ND96amsr_A100_v4", "Standard NDAMSv4_A100Family", 96, 1900, 16, 8, 6400, **nd)
    local = (8, 3417969)
    yield row("ND96isr_H100_v5", "standardNDSH100v5Family", 96, 1900, 16, 8, 1000, 0, local, **nd)
    yield row("ND96isr_H200_v5", "standardNDISRH200V5Family", 96, 1850, 16, 8, 1000, 0, local, **nd)
    yield row("ND96isr_MI300X_v5", "standardNDISRMI300XV5Family", 96, 1850, 16, 8, 1000, 0, local, **nd)


def from_api(items: list[Row]) -> Iterator[Row]:
    """Rows of the API, whole; `more` has what it says beside the members that all rows have."""
    for item in items:
        yield {
            "name": item["name"],
            "tier": item["tier"],
            "size": item["size"],
            "family": item["family"],
            "zones": sorted(item["locationInfo"][0]["zones"]),
            "source": "skus",
            "capabilities": {capability["name"]: capability["value"] for capability in item["capabilities"]},
        }


def from_scalelib(items: list[Row]) -> Iterator[Row]:
    """Rows of cyclecloud-scalelib, whose values are typed; it keeps no zones."""
    for item in items:
        zones = [] if item["name"] == "Standard_H16r" else ALL_ZONES
        capabilities = {key: text(value) for key, value in item["capabilities"].items()}
        members = {key: item[key] for key in ("name", "tier", "size", "family")}
        yield {**members, "zones": zones, "source": "scalelib", "capabilities": capabilities}


def collect(data: Path) -> tuple[Row, Row]:
    """Both documents. The API's rows win over scalelib's, and both over those by hand."""
    found: dict[str, Row] = {}
    sources = {"hand": BY_HAND}
    for part in (general_purpose(), memory_compute_storage(), high_performance(), gpus()):
        found |= {size["name"]: size for size in part}
    for file in sorted(data.glob("sizes-*.json")):
        content = json.loads(file.read_text())
        sources["scalelib"] = content["source"]
        found |= {size["name"]: size for size in from_scalelib(content["sizes"])}
    for file in sorted(data.glob("skus-*.json")):
        content = json.loads(file.read_text())
        sources["skus"] = content["source"]
        found |= {size["name"]: size for size in from_api(content["value"])}
    prices = json.loads((data / "prices.json").read_text())
    kept = {
        location: {name: figure for name, figure in known.items() if name in found}
        for location, known in sorted(prices["usd_per_hour"].items())
    }
    rows = [found[name] for name in sorted(found)]
    return {"sources": sources, "sizes": rows}, {"source": prices["source"], "usd_per_hour": kept}


def lines(document: Row, key: str, members: list[str]) -> str:
    """One row a line, so that a change shows as such."""
    head = json.dumps({name: value for name, value in document.items() if name != key}, indent=1)[:-2]
    opening, closing = ("[", "]") if isinstance(document[key], list) else ("{", "}")
    body = ",\n".join(members)
    return f'{head},\n"{key}": {opening}\n{body}\n{closing}}}\n'


def main() -> None:
    """Write both files."""
    sizes, prices = collect(Path(sys.argv[1]))
    rows = [json.dumps(size, separators=(",", ":")) for size in sizes["sizes"]]
    (WORLD / "skus.json").write_text(lines(sizes, "sizes", rows), encoding="utf-8")
    regions = [f"{json.dumps(where)}: {json.dumps(known)}" for where, known in prices["usd_per_hour"].items()]
    (WORLD / "prices.json").write_text(lines(prices, "usd_per_hour", regions), encoding="utf-8")
    sys.stdout.write(f"{len(rows)} sizes\n")


if __name__ == "__main__":
    main()
