"""The site of the chaos run: the site in miniature with pools of grade none, hooks that can be killed, a simulator that forgets
nothing when it is, and real slurmds for the VMs that run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from slurm_azure.demo import estate, rootfs
from slurm_azure.demo.cache import CHECKOUT
from slurm_azure.demo.init import CONTROL
from slurm_azure.demo.site import Site

HEAD = Path(__file__).with_name("head")
HOOKS = ("resume", "suspend", "resume-fail")
IMAGE = {"marketplace": "debian:debian-12:12-gen2:latest"}
HARDWARE = {"sockets": 1, "cores_per_socket": 1, "threads_per_core": 1, "memory_mib": 3500}
REASONS = ("capacity", "quota", "spot-price", "evicted", "network", "image", "configuration", "permission", "policy", "unknown")
COOL_DOWNS = dict.fromkeys(REASONS, "8s")  # minutes on a real site: here everything would be cold most of the time
PYTHON = ("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-m")  # in the sandbox the working directory is another


def configuration(nodes: int) -> dict[str, Any]:
    """slurm-azure.yaml: half of the nodes on Spot VMs that may fall back to on-demand, a third on two sizes in three zones, the
    rest all or nothing. Two partitions, and one over all pools."""
    spot, zones = nodes // 2, nodes // 3
    common = {"image": IMAGE, "hardware": HARDWARE, "attempts": 3, "deadlines": {"create": "40s", "boot": "45s"}}
    breaker = {"failures": 8, "pause": "15s"}
    pools = {
        "spot": {
            "nodes": f"az-spot-[1-{spot}]", "sizes": ["Standard_F2s_v2", "Standard_D2s_v5"], "zones": ["1", "2"],
            "priority": "spot", "spot": {"fallback": "on-demand"}, "breaker": breaker, "weight": 100,
        },
        "zoned": {
            "nodes": f"az-zoned-[1-{zones}]", "sizes": ["Standard_D2s_v5", "Standard_F2s_v2"], "zones": ["1", "2", "3"],
            "breaker": breaker, "weight": 200,
        },
        "whole": {
            "nodes": f"az-whole-[1-{nodes - spot - zones}]", "sizes": ["Standard_F2s_v2"], "all_or_nothing": True,
            "breaker": breaker, "weight": 300,
        },
    }  # fmt: skip
    times = {"suspend_time": "15s", "suspend_timeout": "30s", "resume_timeout": "150s"}
    base = YAML(typ="safe").load((Path(estate.__file__).parent / "head/etc/slurm-azure/slurm-azure.yaml").read_text())
    return {
        "cluster": "miniature",
        "azure": base["azure"],
        "slurm": base["slurm"],
        "munge": {"source": "image"},
        "ssh": base["ssh"],
        "pools": {name: common | pool for name, pool in pools.items()},
        "partitions": {
            "cloud": {"pools": ["spot", "zoned"], "default": True} | times,
            "whole": {"pools": ["whole"]} | times,
            "all": {"pools": ["spot", "zoned", "whole"]} | times,
        },
        "limits": {
            "list_interval": "2s", "idle_list_interval": "15s", "slurm_interval": "2s", "idle_slurm_interval": "5s",
            "delete_retry": "20s", "failed_node_hold": "5s", "sweep_interval": "60s",
            "cool_downs": COOL_DOWNS,
        },
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """Files of the head node in `folder`, and what the site is started with."""

    folder: Path
    nodes: int
    seed: int

    def site(self) -> Site:
        """The site, not yet started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "slurm-azure.yaml"
        write_yaml(config, configuration(self.nodes))
        files = {
            "etc/slurm-azure/slurm-azure.yaml": config,
            "etc/slurm/slurm.conf": HEAD / "slurm.conf",
            "usr/local/sbin/join-cloud": HEAD / "join-cloud",
        }
        files |= {f"usr/local/sbin/chaos-{kind}": HEAD / "chaos-hook" for kind in HOOKS}
        world = str(Site().folder / "azure" / "world")
        return Site(simulator=[*PACE, "--world", world, "--seed", str(self.seed)], files=files, mortal_simulator=True)


# Azure's own pace but for deletions and boots, whose half minute each would leave little time for anything else.
PACE = (
    "--machines", "none", "--machines-for", "az-*=none", "--create-seconds", "uniform(2,5)", "--boot-seconds", "uniform(1,3)",
    "--delete-seconds", "lognormal(6,15)", "--eviction-seconds", "1", "--retry-after", "2",
)  # fmt: skip


def write_yaml(file: Path, document: Mapping[str, Any]) -> None:
    """Write a configuration."""
    with file.open("w", encoding="utf-8") as out:
        YAML(typ="safe", pure=True).dump(dict(document), out)


def machines_argv(site: Site, seed: int) -> Sequence[str]:
    """What runs the machines inside the sandbox."""
    root = rootfs.root_file_system()
    options = ["--control", CONTROL, "--root", str(root), "--key", str(site.folder / "azure" / estate.MUNGE_KEY)]
    options += ["--folder", str(site.folder / "machines"), "--calm", str(site.folder / "calm"), "--seed", str(seed)]
    return [*PYTHON, "tests.chaos.machines", *options]


def witness_argv(site: Site) -> Sequence[str]:
    """What runs the witness inside the sandbox."""
    inside = subprocess.run(site.inside(["cat", str(site.folder / "head" / "pid")]), check=True, capture_output=True, text=True)
    options = ["--control", CONTROL, "--head", inside.stdout.strip(), "--folder", str(site.folder)]
    return [*PYTHON, "tests.chaos.witness", *options]


def told(site: Site, name: str) -> dict[str, Any]:
    """What a process of the run says of itself in a file of the site's folder."""
    done = subprocess.run(site.inside(["cat", str(site.folder / name)]), check=False, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found
