"""All that is known of one node at one moment, and the facts that hold for every node of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from slurm_azure.model import Launch, NodeName, Offer, PoolName, SlurmNode, Vm, VmName, Wish


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """What decisions need to know of a pool: offers in order, and how long Slurm waits for its nodes (seconds)."""

    name: PoolName
    offers: tuple[Offer, ...]
    resume_timeout: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What decisions need to know of the configuration. All in seconds."""

    pools: Mapping[PoolName, PoolPolicy]
    delete_retry: float = 180.0
    failed_node_hold: float = 60.0
    list_lag: float = 60.0  # how far Azure's lists may lag behind its own answers (30 s have been seen)


@dataclass(frozen=True, slots=True)
class Facts:
    """The round: `now`; when the newest whole observations were begun (None = none yet).

    What has not been seen proves nothing: an absence counts only in an observation begun after the moment in question.
    """

    now: float
    policy: Policy
    slurm_at: float | None = None
    list_at: float | None = None


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node. `live`: the launch that serves it. `dying`: those on their way out. `last`: its newest finished one.

    `slurm` is None while Slurm has not been seen (or does not know the node), `pool` None if the node is in no pool any
    more. `vms`: what Azure lists for it. `absent_since`/`stray_since`: since which list a VM of ours has been missing, or
    one without a launch been there.
    """

    node: NodeName
    pool: PoolPolicy | None
    slurm: SlurmNode | None = None
    wishes: tuple[Wish, ...] = ()
    live: Launch | None = None
    dying: tuple[Launch, ...] = ()
    last: Launch | None = None
    vms: tuple[Vm, ...] = ()
    absent_since: float | None = None
    stray_since: Mapping[VmName, float] | None = None

    def vm_of(self, launch: Launch) -> Vm | None:
        """The launch's VM, if Azure lists it."""
        return next((vm for vm in self.vms if vm.name == launch.vm_name), None)

    def with_live(self, live: Launch | None) -> NodeRecord:
        """The record with another live launch."""
        return replace(self, live=live)

    def without(self, wish: Wish) -> NodeRecord:
        """The record with a wish seen to."""
        return replace(self, wishes=tuple(other for other in self.wishes if other is not wish))
