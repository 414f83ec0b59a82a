"""What happens when in a chaos run: the same seed gives the same plan. No I/O."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Fault = Mapping[str, Any]
KILLED = ("daemon", "slurmctld", "simulator")
OURS = {"slurm-azure-cluster": "miniature", "slurm-azure-pool": "spot"}
OTHERS = {
    "slurm-azure-cluster": "another",
    "slurm-azure-node": "az-spot-1",
    "slurm-azure-launch": "l0",
    "slurm-azure-pool": "spot",
}


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9 of `who`, which is started again `down` seconds later; of a `hook`, that many seconds after its start."""

    at: float
    who: str
    down: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of the simulated Azure, in force for `seconds`."""

    at: float
    fault: Fault
    seconds: float


@dataclass(frozen=True, slots=True)
class Submission:
    """A job; `cancelled_after` seconds somebody thinks better of it (None = nobody does)."""

    at: float
    options: tuple[str, ...]
    seconds: int
    cancelled_after: float | None


@dataclass(frozen=True, slots=True)
class Administration:
    """What an administrator does: `reload` a changed configuration, `drain` a node, lose the `journal`."""

    at: float
    what: str


Action = Kill | Trouble | Submission | Administration


def actions(seed: int, seconds: float, nodes: int) -> list[Action]:
    """Everything, in the order of its times (seconds since the start)."""
    source = random.Random(seed)
    found: list[Action] = [
        *_submissions(source, seconds, nodes),
        *_kills(source, seconds),
        *_troubles(source, seconds),
        *_administration(seconds),
    ]
    return sorted(found, key=lambda action: action.at)


def _submissions(source: random.Random, seconds: float, nodes: int) -> Iterator[Submission]:
    """As many jobs as keep a quarter of the nodes busy: a job of three nodes has them for a minute, its boot counted in."""
    rate = nodes / 4 / 60 / 3
    at = 0.0
    while (at := at + source.expovariate(rate)) < seconds:
        options = [f"--partition={source.choices(('cloud', 'whole', 'all'), (6, 2, 2))[0]}"]
        options.append(f"--nodes={source.choices((1, 2, 3, 4, 8), (5, 3, 2, 2, 1))[0]}")
        if source.random() < 0.2:
            options[-1:] = ["--nodes=1", f"--array=1-{source.randint(2, 8)}"]
        cancelled = source.uniform(0.5, 20) if source.random() < 0.12 else None
        yield Submission(at, tuple(options), source.randint(5, 20), cancelled)


def _kills(source: random.Random, seconds: float) -> Iterator[Kill]:
    """Each of them from the first minute's middle on, again and again, so that they meet."""
    for who, every, down in (("daemon", 20.0, 4.0), ("simulator", 35.0, 8.0), ("slurmctld", 45.0, 3.0), ("hook", 4.0, 0.04)):
        at = source.uniform(0.2, 0.8) * every
        while at < seconds:
            yield Kill(at, who, source.uniform(0.0, down))
            at += source.uniform(0.5, 1.5) * every


def _troubles(source: random.Random, seconds: float) -> Iterator[Trouble]:
    """All kinds of faults, each at least once, then again in another order, as long as there is time: one every four seconds,
    or more often if the time is short."""
    every = min(4.0, seconds * 0.95 / len(FAULTS))
    at = 0.5 * every
    while at < seconds:
        for fault in source.sample(FAULTS, len(FAULTS)):
            if at < seconds:
                yield Trouble(at, fault, source.uniform(3.0, 15.0))
            at += every


def _administration(seconds: float) -> Iterator[Administration]:
    yield Administration(seconds * 0.1, "drain")
    yield Administration(seconds * 0.4, "reload")
    if seconds >= 300:
        yield Administration(seconds * 0.6, "journal")


_CREATES = {"operation": "creates"}
_OF_OURS = {"tags": {"slurm-azure-cluster": "miniature"}}

FAULTS: tuple[Fault, ...] = (
    {"what": "ZonalAllocationFailed", "zone": "2", "count": 8},
    {"what": "SkuNotAvailable", "priority": "Spot", "count": 6},
    {"what": "QuotaExceeded", "size": "Standard_D2s_v5", "count": 6},
    {"what": "AllocationFailed", "probability": 0.5},
    {"what": "Conflict", "probability": 0.2},
    {"what": "AuthorizationFailed", "count": 2, **_CREATES},
    {"what": "SubnetIsFull", "count": 3},
    {"what": "OSProvisioningClientError", "count": 3},
    {"what": {"kind": "error", "code": "NobodyHasHeardOfThis", "status": 409, "message": 'a "quoted"\nerror'}, "count": 2},
    {"what": {"kind": "error", "code": "InternalServerError", "status": 500}, "operation": "deletes", "probability": 0.5},
    {"what": {"kind": "latency", "seconds": "uniform(0.5,4)"}},
    {"what": {"kind": "reset", "when": "before"}, "probability": 0.5},
    {"what": {"kind": "reset", "when": "after"}, "probability": 0.5},
    {"what": {"kind": "lost", "when": "after"}, "count": 3, **_CREATES},
    {"what": {"kind": "lost", "when": "before"}, "count": 2, "operation": "deletes"},
    {"what": {"kind": "garbage", "form": "truncated"}, "probability": 0.5},
    {"what": {"kind": "garbage", "form": "html"}, "count": 3, "operation": "lists"},
    {"what": {"kind": "garbage", "form": "shape"}, "count": 3, **_CREATES},
    {"what": {"kind": "throttle", "by": "arm", "retry_after": 5}, "count": 3},
    {"what": {"kind": "throttle", "by": "compute", "retry_after": 8, "policy": "PutVM"}, "count": 3, **_CREATES},
    {"what": {"kind": "another_client", "requests": 60, "budget": "writes"}, "interval": 2},
    {"what": {"kind": "storm", "statuses": [500, 502, 503, 504]}},
    {"what": {"kind": "list_lag", "seconds": 10}},
    {"what": {"kind": "list_incomplete", "how": "missing"}, "probability": 0.3},
    {"what": {"kind": "list_incomplete", "how": "page"}},
    {"what": "power_state_missing", "probability": 0.5},
    {"what": {"kind": "login_down", "how": "error"}},
    {"what": {"kind": "login_down", "how": "reset"}},
    {"what": {"kind": "vault_down"}},
    {"what": {"kind": "imds_down"}},
    {"what": {"kind": "clock_skew", "seconds": -600}},
    {"what": {"kind": "pause", "seconds": 5}},
    {"what": {"kind": "boot", "slower": 20}, "count": 3},
    {"what": {"kind": "boot", "never_ready": True}, "count": 3},
    {"what": {"kind": "boot", "never_joins": True}, "count": 2},
    {"what": {"kind": "boot", "cloud_init_fails": "mount.nfs: Connection timed out"}, "count": 2},
    {"what": {"kind": "boot", "dies_after": "uniform(2,30)", "dead_state": "running"}, "count": 2},
    {"what": {"kind": "boot", "dies_after": "uniform(2,30)"}, "count": 2},
    {"what": {"kind": "boot", "evicted_after": 3}, "priority": "Spot", "count": 3},
    {"what": {"kind": "slow_delete", "seconds": 40}, "count": 4},
    {"what": "failed_delete", "count": 4},
    {"what": {"kind": "evict", "vms": 6, "notice": 5}},
    {"what": {"kind": "evict", "vms": "all", "notice": 10}, "zone": "1"},
    {"what": {"kind": "die", "vms": 2}, **_OF_OURS},
    {"what": {"kind": "die", "vms": 1, "state": "deallocated"}, **_OF_OURS},
    {"what": {"kind": "scheduled_event", "event": "Reboot", "vms": 2, "notice": 5}, **_OF_OURS},
    {"what": {"kind": "scheduled_event", "event": "Redeploy", "vms": 1, "notice": 5}, **_OF_OURS},
    {"what": {"kind": "vanish", "vms": 2}, **_OF_OURS},
    {"what": {"kind": "vanish", "vms": 1, "at_once": True}, **_OF_OURS},
    {"what": {"kind": "stranger", "name": "az-spot-1-lorphan", "resource_group": "slurm-burst", "subnet": "burst",
              "tags": OURS | {"slurm-azure-node": "az-spot-1", "slurm-azure-launch": "lorphan"}}},
    {"what": {"kind": "stranger", "resource": "nic", "name": "az-spot-2-lnic", "resource_group": "slurm-burst",
              "subnet": "burst", "tags": OURS | {"slurm-azure-node": "az-spot-2", "slurm-azure-launch": "lnic"}}},
    {"what": {"kind": "stranger", "resource": "disk", "name": "az-spot-3-ldisk", "resource_group": "slurm-burst",
              "subnet": "burst", "tags": OURS | {"slurm-azure-node": "az-spot-3", "slurm-azure-launch": "ldisk"}}},
    {"what": {"kind": "capacity", "hosts": 5, "size": "Standard_F2s_v2"}},
    {"what": {"kind": "quota", "usage": "lowPriorityCores", "limit": 20}},
    {"what": {"kind": "price", "size": "Standard_F2s_v2", "usd": 9.0}},
)  # fmt: skip

STRANGERS: tuple[Fault, ...] = (
    {"what": {"kind": "stranger", "name": "build-server", "resource_group": "slurm-burst", "subnet": "burst"}},
    {"what": {"kind": "stranger", "name": "az-spot-1-l0", "resource_group": "slurm-burst", "subnet": "burst", "tags": OTHERS}},
    {"what": {"kind": "stranger", "resource": "nic", "name": "kept", "resource_group": "slurm-burst", "subnet": "burst"}},
    {"what": {"kind": "stranger", "resource": "disk", "name": "data", "resource_group": "slurm-burst", "subnet": "burst",
              "tags": OTHERS}},
)  # fmt: skip
"""What is in the resource group beforehand and is not ours: a VM without tags, one of another cluster with a name as ours would
have it, an interface, a disk."""


def kind_of(fault: Fault) -> str:
    """The kind of a fault: `error` where an error is asked for by its name."""
    what = fault["what"]
    if isinstance(what, str):
        return what if what in ("power_state_missing", "failed_delete") else "error"
    return str(what["kind"])
