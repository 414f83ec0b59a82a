"""azure-burst.conf: the nodes, node sets and partitions of slurm-azure.yaml, to be included by slurm.conf."""

from __future__ import annotations

from collections.abc import Iterator

from slurm_azure.azure.catalog import Catalog
from slurm_azure.config import Config, Partition, Pool
from slurm_azure.generate.doubts import seconds
from slurm_azure.generate.hardware import hardware_of
from slurm_azure.hostlist import expand, fold
from slurm_azure.slurm.versions import Traits

_HEADER = """\
# Written by `slurm-azure generate` from slurm-azure.yaml. Change it there: the next run writes this file anew.
# Nodes and partitions of Azure; slurm.conf includes this file, which stands beside it.
"""


def include_file(config: Config, catalog: Catalog, traits: Traits) -> str:
    """The text of azure-burst.conf. The hardware of every pool must be known (`hardware_of`)."""
    lines = [_HEADER]
    for name, pool in config.pools.items():
        lines += [_node_line(name, pool, catalog), f"NodeSet={node_set(name)} Nodes={fold(expand(pool.nodes))}", ""]
    lines += [_partition_line(name, partition, traits) for name, partition in config.partitions.items()]
    return "\n".join(lines) + "\n"


def node_set(pool: str) -> str:
    """The name of a pool's NodeSet: a pool and a node may be called alike, a node set and a node may not."""
    return f"azure_{pool}"


def _node_line(name: str, pool: Pool, catalog: Catalog) -> str:
    hardware = hardware_of(pool, catalog)
    if hardware is None:
        raise ValueError(f"pool {name}: hardware is not known")
    words = {
        "NodeName": fold(expand(pool.nodes)),
        "CPUs": hardware.cpus,
        "Sockets": hardware.sockets,
        "CoresPerSocket": hardware.cores_per_socket,
        "ThreadsPerCore": hardware.threads_per_core,
        "RealMemory": hardware.memory_mib,
        "Feature": ",".join(dict.fromkeys(_features(name, pool))),
        "Gres": ",".join(pool.gres),
        "Weight": pool.weight,
        "State": "CLOUD",
    }
    return " ".join(f"{key}={value}" for key, value in words.items() if value != "")


def _features(name: str, pool: Pool) -> Iterator[str]:
    """What jobs may ask for by --constraint. A size is promised only where every node of the pool has it."""
    yield from ("cloud", "azure", name)
    if len(pool.sizes) == 1:
        yield pool.sizes[0]
    if pool.priority == "spot":
        yield "spot"
    yield from pool.features


def _partition_line(name: str, partition: Partition, traits: Traits) -> str:
    words = {
        "PartitionName": name,
        "Nodes": ",".join(node_set(pool) for pool in partition.pools),
        "Default": "YES" if partition.default else "NO",
        "MaxTime": partition.max_time,
        "State": "UP",
    }
    if traits.partition_timers:
        words["SuspendTime"] = str(seconds(partition.suspend_time))
        words["ResumeTimeout"] = str(seconds(partition.resume_timeout))
        words["SuspendTimeout"] = str(seconds(partition.suspend_timeout))
    lower = {key.lower() for key in partition.options}
    kept = {key: value for key, value in words.items() if key.lower() not in lower}
    return " ".join(f"{key}={value}" for key, value in {**kept, **partition.options}.items())
