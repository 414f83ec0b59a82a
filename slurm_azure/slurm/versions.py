"""What differs between Slurm releases, as far as cloud nodes are concerned: one table.

Sources: man slurm.conf and RELEASE_NOTES/CHANGELOG of each release, 20.11 to 26.05.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from slurm_azure.errors import SchedulerRefused

Release = tuple[int, int]
"""A Slurm release as (year, month): 22.05 is (22, 5)."""

OLDEST: Release = (20, 11)
ANY: Release = (99, 12)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a Slurm release needs to be told, and what it can do (see the table for since when)."""

    release: Release
    cloud_reg_addrs: bool
    private_data_cloud: bool
    flat_tree: bool
    kills_by_name: bool
    strict_power_interval: bool
    partition_timers: bool
    resume_file: bool
    power_down_force: bool
    requeue_on_resume_failure: bool
    requeue_delay: bool
    node_reg_mem_percent: bool
    pushes_includes: bool
    reconfigure_adds_nodes: bool
    instance_fields: bool


_TABLE: dict[str, tuple[Release, Release]] = {
    # trait: first release that has it, first release that no longer has it
    "cloud_reg_addrs": (OLDEST, (23, 11)),  # SlurmctldParameters=cloud_reg_addrs; built in since 23.11, an error line there
    "private_data_cloud": (OLDEST, (23, 2)),  # PrivateData=cloud shows powered-down nodes; always shown since 23.02
    "flat_tree": (OLDEST, (23, 11)),  # TreeWidth=65533: nodes cannot reach each other by name; solved in 23.11
    # A job's end is told to its booting nodes too, whose names are looked up; unresolvable ones are left out since 23.11.2.
    # Debian (and so Ubuntu) repeats a failed look-up ten times, a second apart, since 21.08.5-2 (patch retry-getaddrinfo), and
    # slurmctld answers nobody meanwhile: 20 such nodes were 201 s with 22.05.8-4+deb12u3.
    "kills_by_name": (OLDEST, (23, 11)),
    "strict_power_interval": ((24, 5), ANY),  # a node may wait for the next power_save_interval (10 s) before it is resumed
    "partition_timers": ((21, 8), ANY),  # SuspendTime, SuspendTimeout, ResumeTimeout of a partition
    "resume_file": ((21, 8), ANY),  # SLURM_RESUME_FILE
    "power_down_force": ((21, 8), ANY),  # scontrol update state=power_down_force
    "node_reg_mem_percent": ((21, 8), ANY),  # a CLOUD node may register with 90 % of its RealMemory
    "pushes_includes": ((22, 5), ANY),  # configless nodes get files that slurm.conf includes
    "instance_fields": ((23, 11), ANY),  # node fields InstanceId, InstanceType, Extra
    "reconfigure_adds_nodes": ((23, 11), ANY),  # scontrol reconfigure takes new nodes; before, slurmctld must be restarted
    "requeue_on_resume_failure": ((25, 5), ANY),  # SchedulerParameters; also requeues --no-requeue jobs if nodes fail
    "requeue_delay": ((25, 11), ANY),  # SchedulerParameters: seconds before a requeued job may start; before, 121
}


def traits(release: Release) -> Traits:
    """What holds for `release`, such as (22, 5)."""
    has: Callable[[str], bool] = lambda trait: _TABLE[trait][0] <= release < _TABLE[trait][1]  # noqa: E731
    return Traits(release, **{trait: has(trait) for trait in _TABLE})


def parse_version(text: str) -> Release:
    """`slurm-wlm 22.05.8` or `slurm 24.11.5` -> (22, 5). Raises SchedulerRefused for anything else."""
    match = re.search(r"\bslurm\S*\s+(\d\d)\.(\d\d)\b", text)
    if match is None:
        raise SchedulerRefused(f"{text.strip()[:100]!r} is no version of Slurm")
    return int(match[1]), int(match[2])
