"""What would go wrong in Slurm with a configuration that is sound by itself: found before the first VM costs money."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from slurm_azure.azure.catalog import Catalog, Size
from slurm_azure.config import Config, Partition, Pool
from slurm_azure.generate.gres import gpus
from slurm_azure.generate.hardware import NodeHardware, conservative_memory, hardware_of, known_sizes
from slurm_azure.slurm.versions import Traits

_OURS = {"partitionname", "nodes", "default", "maxtime", "suspendtime", "resumetimeout", "suspendtimeout"}
_MOST_CORES_A_SOCKET = 64


@dataclass(frozen=True, slots=True)
class Doubt:
    """`about` is a key of slurm-azure.yaml. Grave: nodes would be unusable or slurmctld would refuse the file."""

    about: str
    text: str
    grave: bool = False

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def find_doubts(config: Config, catalog: Catalog, traits: Traits) -> tuple[Doubt, ...]:
    """Everything doubtful about `config` under the Slurm release of `traits`, in the order of the file."""
    doubts: list[Doubt] = []
    for name, pool in config.pools.items():
        doubts += _check_hardware(f"pools.{name}", pool, catalog)
        doubts += _check_gpus(f"pools.{name}.gres", pool, known_sizes(pool, catalog))
    for name, partition in config.partitions.items():
        doubts += _check_options(f"partitions.{name}.options", partition)
        doubts += _check_times(f"partitions.{name}", partition)
    doubts += _check_shared_pools(config)
    doubts += _check_release(config, traits)
    return tuple(doubts)


def seconds(duration: float) -> int:
    """A duration as Slurm takes it: whole seconds, rounded up."""
    return math.ceil(duration)


def _check_hardware(about: str, pool: Pool, catalog: Catalog) -> Iterator[Doubt]:
    hardware = hardware_of(pool, catalog)
    if hardware is None:
        unknown = ", ".join(name for name in pool.sizes if catalog.size(name) is None)
        remedy = "give hardware.cores_per_socket and hardware.memory_mib (slurmd -C on such a VM prints them)"
        yield Doubt(f"{about}.sizes", f"{unknown}: not in the list of VM sizes; {remedy}", grave=True)
        return
    for size in known_sizes(pool, catalog):
        yield from _compare(f"{about}.hardware", hardware, size)
    if pool.hardware.sockets is None and hardware.cores_per_socket > _MOST_CORES_A_SOCKET:
        text = f"{hardware.cores_per_socket} cores in one socket is unlikely; give sockets (slurmd -C on such a VM prints them)"
        yield Doubt(f"{about}.hardware", text)


def _compare(about: str, told: NodeHardware, size: Size) -> Iterator[Doubt]:
    cores = told.sockets * told.cores_per_socket
    effect = "its nodes would register as invalid and be drained"
    if cores > size.cores or told.cpus > size.vcpus:
        has = f"{size.name} has {size.cores} cores and {size.vcpus} vCPUs"
        yield Doubt(about, f"{cores} cores, {told.cpus} CPUs; {has}: {effect}", grave=True)
    if told.memory_mib >= size.memory_gib * 1024:
        yield Doubt(about, f"{told.memory_mib} MiB; {size.name} has {size.memory_gib:g} GiB: {effect}", grave=True)
    elif told.memory_mib > conservative_memory(size) * 1.05:
        text = f"{told.memory_mib} MiB is close to what {size.name} has ({size.memory_gib:g} GiB); the system takes some of it"
        yield Doubt(about, f"{text}: compare with slurmd -C on such a VM")


def _check_gpus(about: str, pool: Pool, sizes: list[Size]) -> Iterator[Doubt]:
    told = gpus(pool)
    for size in sizes:
        if told > size.gpus:
            text = f"{told} GPUs, but {size.name} has {size.gpus}: its nodes would register as invalid and be drained"
            yield Doubt(about, text, grave=True)
        elif told < size.gpus:
            yield Doubt(
                about, f"{size.name} has {size.gpus} GPUs and Slurm is told of {told}: paid for, but not to be had by jobs"
            )


def _check_options(about: str, partition: Partition) -> Iterator[Doubt]:
    for key, value in partition.options.items():
        if key.lower() in _OURS:
            yield Doubt(f"{about}.{key}", "is written from the partition's own keys; leave it out here", grave=True)
        elif "#" in value or value.endswith("\\"):
            yield Doubt(
                f"{about}.{key}", f"{value!r}: slurm.conf takes '#' for a comment and '\\' at its end for 'goes on'", grave=True
            )


def _check_times(about: str, partition: Partition) -> Iterator[Doubt]:
    if partition.resume_timeout < 120:
        yield Doubt(
            f"{about}.resume_timeout",
            "an Azure VM needs one to three minutes until slurmd runs; below 2m most nodes would fail",
        )
    if partition.suspend_timeout < 20:
        text = "below 20s slurmd may still run on a VM that is being deleted, and registers the node as up again"
        yield Doubt(f"{about}.suspend_timeout", text)
    if partition.suspend_timeout > 600:
        yield Doubt(f"{about}.suspend_timeout", "a node rests this long after each use; its VM is deleted long before")
    if partition.suspend_time < 60:
        yield Doubt(
            f"{about}.suspend_time", "below 1m nodes may be deleted between two tasks of the same array, and booted anew"
        )


def _check_shared_pools(config: Config) -> Iterator[Doubt]:
    for pool in config.pools:
        times = {name: seconds(part.suspend_time) for name, part in config.partitions.items() if pool in part.pools}
        if len(set(times.values())) > 1:
            longest = max(times, key=lambda name: times[name])
            text = (
                f"its partitions have different suspend_time: Slurm takes the longest, that of {longest} ({times[longest]} s)"
            )
            yield Doubt(f"pools.{pool}", text)


def _check_release(config: Config, traits: Traits) -> Iterator[Doubt]:
    year, month = traits.release
    if not traits.partition_timers:
        text = f"Slurm {year}.{month:02d} has no timers of partitions: the longest of all becomes the cluster's"
        yield Doubt("partitions", f"{text}; on-premises nodes need SuspendExcNodes")
    total = sum(len(pool.sizes) > 1 for pool in config.pools.values())
    if total and not traits.node_reg_mem_percent:
        yield Doubt(
            "pools", f"Slurm {year}.{month:02d} drains a node with less memory than configured: give hardware.memory_mib"
        )
