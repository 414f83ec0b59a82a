"""What one tick of the daemon saw, as far as metrics show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from slurm_azure.model import PoolName, VmState


class NodeState(StrEnum):
    """Where a node of ours stands: each node of a pool is in exactly one of these."""

    OFF = "off"  # no VM, none wanted
    PLANNED = "planned"  # wanted; Azure has not answered the create call
    CREATING = "creating"  # Azure accepted, the VM is being made
    RUNNING = "running"  # Azure says the VM is there, Slurm not yet
    JOINED = "joined"  # Slurm says the node is up
    RELEASING = "releasing"  # the VM is on its way out
    FAILED = "failed"  # its launch failed; it stays down with the reason for a while


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The gauges of one tick. Absent keys count as 0.

    `orphans`: VMs with our cluster tag that no launch accounts for. `spool_depth`: requests not taken in.
    `oldest_pending_seconds`: age of the oldest launch of the pool that has not joined, in seconds.
    `cost_per_hour`: USD per hour of the pool's VMs. `resume_timeout`: Slurm's patience with the pool, in seconds.
    """

    nodes: Mapping[tuple[PoolName, NodeState], int] = field(default_factory=dict)
    vms: Mapping[tuple[PoolName, VmState], int] = field(default_factory=dict)
    orphans: int = 0
    spool_depth: int = 0
    oldest_pending_seconds: Mapping[PoolName, float] = field(default_factory=dict)
    cost_per_hour: Mapping[PoolName, float] = field(default_factory=dict)
    resume_timeout: Mapping[PoolName, float] = field(default_factory=dict)
    slurm_reachable: bool = False
    azure_reachable: bool = False
