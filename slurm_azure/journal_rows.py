"""A launch as a row of the journal, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from slurm_azure.model import (
    Blame,
    Failure,
    FailureReason,
    Launch,
    LaunchId,
    NodeName,
    Offer,
    PoolName,
    Priority,
    Scope,
    VmName,
)

_COLUMNS = (
    "id", "node", "pool", "vm_name", "size", "zone", "priority", "max_price", "price", "request", "jobs", "planned_at",
    "wanted_at", "sent_at", "accepted_at", "running_at", "joined_at", "released_at", "release_reason", "delete_sent_at",
    "gone_at", "failure", "failure_detail", "failure_scope", "failure_blame", "told_at", "asked_at", "attempt", "boot",
    "console_at", "deallocated_at",
)  # fmt: skip
SELECT_LAUNCHES = f"SELECT {', '.join(_COLUMNS)} FROM launches"  # noqa: S608 - the names stand above
SAVE_LAUNCH = (
    f"INSERT INTO launches ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "id")
)


def row_of(launch: Launch) -> tuple[Any, ...]:
    """The values of SAVE_LAUNCH."""
    offer, failure = launch.offer, launch.failure
    return (
        launch.id, launch.node, launch.pool, launch.vm_name, offer.size, offer.zone, offer.priority, offer.max_price,
        launch.price, launch.request, json.dumps(launch.jobs), launch.planned_at, launch.wanted_at, launch.sent_at,
        launch.accepted_at, launch.running_at, launch.joined_at, launch.released_at, launch.release_reason,
        launch.delete_sent_at, launch.gone_at, failure and failure.reason, failure and failure.detail,
        failure and failure.scope, failure and failure.blame, launch.told_at, launch.asked_at, launch.attempt, launch.boot,
        launch.console_at, launch.deallocated_at,
    )  # fmt: skip


def launch_of(row: Sequence[Any]) -> Launch:
    """The launch of a row of SELECT_LAUNCHES."""
    value = dict(zip(_COLUMNS, row, strict=True))
    offer = Offer(value.pop("size"), value.pop("zone"), Priority(value.pop("priority")), value.pop("max_price"))
    return Launch(
        id=LaunchId(value.pop("id")),
        node=NodeName(value.pop("node")),
        pool=PoolName(value.pop("pool")),
        vm_name=VmName(value.pop("vm_name")),
        jobs=tuple(json.loads(value.pop("jobs"))),
        offer=offer,
        failure=_failure(*(value.pop(name) for name in ("failure", "failure_detail", "failure_scope", "failure_blame"))),
        **value,
    )


def _failure(reason: str | None, detail: str, scope: str, blame: str) -> Failure | None:
    return Failure(FailureReason(reason), detail, Scope(scope), Blame(blame)) if reason else None
