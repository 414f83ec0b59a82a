"""What Slurm is told the nodes of a pool have: never more than the smallest of its VM sizes has.

A node that registers with fewer CPUs, less memory or fewer GPUs than configured becomes INVALID_REG and drained, and its
job is requeued (src/slurmctld/node_mgr.c; man slurm.conf, node_reg_mem_percent); one with more is fine.
"""

from __future__ import annotations

from dataclasses import dataclass

from slurm_azure.azure.catalog import Catalog, Size
from slurm_azure.config import Pool


@dataclass(frozen=True, slots=True)
class NodeHardware:
    """The hardware part of a NodeName line; memory is MiB."""

    sockets: int
    cores_per_socket: int
    threads_per_core: int
    memory_mib: int

    @property
    def cpus(self) -> int:
        """CPUs as Slurm counts them: hardware threads, which are Azure's vCPUs."""
        return self.sockets * self.cores_per_socket * self.threads_per_core


def known_sizes(pool: Pool, catalog: Catalog) -> list[Size]:
    """Those of the pool's VM sizes that are in the list of sizes."""
    return [size for name in pool.sizes if (size := catalog.size(name)) is not None]


def hardware_of(pool: Pool, catalog: Catalog) -> NodeHardware | None:
    """What a node of `pool` is said to have: `hardware:` of the pool where given, else the smallest of its sizes.

    None: it can be told neither way (an unknown size, and no cores_per_socket or memory_mib).
    """
    sizes = known_sizes(pool, catalog)
    given = pool.hardware
    if len(sizes) < len(pool.sizes) and (given.cores_per_socket is None or given.memory_mib is None):
        return None
    sockets = given.sockets or 1
    threads = given.threads_per_core or min((size.vcpus_per_core for size in sizes), default=1)
    cores = given.cores_per_socket or max(1, min(size.cores for size in sizes) // sockets)
    memory = given.memory_mib or min(conservative_memory(size) for size in sizes)
    return NodeHardware(sockets, cores, threads, memory)


def conservative_memory(size: Size) -> int:
    """RealMemory in MiB: the size's memory less 8 %, and less 1 GiB at least (kernel, firmware), but half of it at least."""
    memory = size.memory_gib * 1024
    return int(max(memory - max(1024.0, 0.08 * memory), memory / 2))
