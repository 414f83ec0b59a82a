"""A pool's breaker: after some boots in a row that failed nothing new is made there, until one node, the canary, has joined.

It counts what a VM has shown that Azure made and that did not become a node: then pool, image or mounts are broken, and each
further try costs money. What Azure itself refused is left to cool-downs (offers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slurm_azure.lifecycle.record import PoolPolicy
from slurm_azure.model import Breaker, Failure, FailureReason, NodeName, Scope

LONGEST_PAUSE = 3600.0
"""Seconds between two canaries at most (unless the pool's own pause is longer)."""

_ALWAYS = frozenset({FailureReason.BOOT, FailureReason.JOIN_TIMEOUT})
_OF_THE_VM = frozenset({FailureReason.IMAGE, FailureReason.CONFIGURATION})


def is_boot_failure(failure: Failure) -> bool:
    """Whether `failure` says that the pool's nodes do not boot.

    IMAGE and CONFIGURATION do if they came from the VM itself (the guest cannot be provisioned; it registered with less than
    its node line says): those speak of that one launch. Wider ones are Azure's refusals, and cool the pool down.
    """
    return failure.reason in _ALWAYS or (failure.reason in _OF_THE_VM and failure.scope is Scope.LAUNCH)


def is_open(breaker: Breaker | None) -> bool:
    """Whether the breaker keeps its pool closed."""
    return breaker is not None and breaker.opened_at is not None


def count_failure(
    breaker: Breaker, pool: PoolPolicy, failure: Failure, node: NodeName, now: float, made: bool = True
) -> Breaker:
    """The breaker after a launch of `node` has failed; the same one if nothing changes.

    A canary that could not be had for another reason (no capacity, say) shows nothing: the next one is due after the same time.
    Launches that were under way when the breaker opened change nothing any more. What was not `made` (Azure never said yes: the
    pool was closed before, or Azure was not to be reached in time) shows nothing of the pool's nodes, whatever ended it.
    """
    counts = made and is_boot_failure(failure)
    if breaker.opened_at is not None:
        if node != breaker.canary:
            return breaker
        probes = breaker.probes if counts else max(0, breaker.probes - 1)
        detail = f"{node}: {failure.detail}" if counts else breaker.detail
        return replace(breaker, canary=None, probes=probes, detail=detail, probe_at=now + _pause(pool, probes))
    if not counts:
        return breaker
    counted = replace(breaker, failures=breaker.failures + 1, detail=f"{node}: {failure.detail}")
    if counted.failures < pool.breaker_failures:
        return counted
    return replace(counted, opened_at=now, probe_at=now + _pause(pool, 0), probes=0, canary=None)


def count_join(breaker: Breaker) -> Breaker:
    """The breaker after a node of the pool has joined: closed, and nothing counts any more. The same one if it was so."""
    closed = Breaker(breaker.pool)
    return breaker if breaker == closed else closed


def probe(breaker: Breaker, pool: PoolPolicy, candidates: Sequence[NodeName], now: float) -> tuple[Breaker, NodeName] | None:
    """If a canary is due: the node to power up, and the breaker that waits for it. None: not yet, or no node is free.

    `candidates`: idle, powered-down nodes of the pool, always in the same order: each canary is another node. A canary that
    neither joined nor failed in twice the pause (or the pool's ResumeTimeout, if longer) was lost, and is not waited for.
    """
    if breaker.opened_at is None or breaker.probe_at is None or now < breaker.probe_at or not candidates:
        return None
    canary = candidates[breaker.probes % len(candidates)]
    lost_at = now + max(2 * pool.breaker_pause, pool.resume_timeout)
    return replace(breaker, canary=canary, probes=breaker.probes + 1, probe_at=lost_at), canary


def _pause(pool: PoolPolicy, probes: int) -> float:
    """Seconds until the next canary, after `probes` that failed: twice as long each time."""
    return min(pool.breaker_pause * 2.0 ** min(probes, 30), max(LONGEST_PAUSE, pool.breaker_pause))
