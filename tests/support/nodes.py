"""Builders of the nouns: each takes only what a test cares about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slurm_azure.lifecycle.record import Facts, NodeRecord, Policy, PoolPolicy
from slurm_azure.model import (
    Launch,
    LaunchId,
    NodeName,
    Offer,
    PoolName,
    Power,
    Priority,
    RequestId,
    RequestKind,
    SlurmNode,
    Vm,
    VmName,
    VmState,
    Wish,
)

NOW = 1_800_000_000.0
NODE, POOL = NodeName("az-1"), PoolName("hb")
OFFER = Offer("Standard_F2s_v2")
POOLS: Mapping[PoolName, PoolPolicy] = {POOL: PoolPolicy(POOL, (OFFER,), resume_timeout=600.0)}

_FLAGS = {
    Power.OFF: {"IDLE", "CLOUD", "POWERED_DOWN"},
    Power.WAKING: {"ALLOCATED", "CLOUD", "POWERING_UP", "NOT_RESPONDING"},
    Power.UP: {"IDLE", "CLOUD"},
    Power.STOPPING: {"IDLE", "CLOUD", "POWERING_DOWN"},
}


def a_launch(node: str = NODE, id: str = "l1", **changes: Any) -> Launch:
    """A launch planned at NOW; moments such as `accepted_at` as given."""
    launch = Launch(LaunchId(id), NodeName(node), POOL, VmName(f"{node}-{id}"), OFFER, planned_at=NOW)
    return replace(launch, **changes)


def a_node(power: Power = Power.OFF, name: str = NODE, reason: str = "", *flags: str, down: bool = False) -> SlurmNode:
    """A node as Slurm shows it."""
    words = (_FLAGS[power] - {"IDLE", "ALLOCATED"}) | {"DOWN"} if down else _FLAGS[power]
    return SlurmNode(NodeName(name), power, frozenset(words | set(flags)), reason)


def a_vm(launch: Launch, state: VmState = VmState.SUCCEEDED, **changes: Any) -> Vm:
    """The launch's VM as Azure lists it."""
    return replace(Vm(launch.vm_name, launch.node, launch.id, launch.pool, state, OFFER.size), **changes)


def a_wish(kind: RequestKind = RequestKind.RESUME, node: str = NODE, at: float = NOW, *jobs: int, request: str = "r1") -> Wish:
    """What a request wants of a node."""
    return Wish(NodeName(node), kind, at, RequestId(request), jobs)


def a_record(**given: Any) -> NodeRecord:
    """A record of NODE, in POOL unless told otherwise."""
    return NodeRecord(**{"node": NODE, "pool": POOLS[POOL], **given})


def facts(now: float = NOW, slurm_at: float | None = NOW, list_at: float | None = None) -> Facts:
    """A round at `now`, with Slurm seen at `slurm_at` and a list begun at `list_at`."""
    return Facts(now, Policy(POOLS), slurm_at, list_at)


def spot(launch: Launch) -> Launch:
    """The launch on Spot."""
    return replace(launch, offer=replace(launch.offer, priority=Priority.SPOT))
