"""`slurm-azure status`: how the cloud stands, from the journal, with Slurm's view where it answers."""

from __future__ import annotations

import argparse
import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slurm_azure.azure.catalog import Catalog
from slurm_azure.cli.context import Context
from slurm_azure.cli.moments import clock, iso, span
from slurm_azure.cli.obstacles import Obstacles, obstacles
from slurm_azure.cli.obstacles import document as obstacles_document
from slurm_azure.cli.obstacles import paragraphs as obstacles_paragraphs
from slurm_azure.cli.overview import RECENT, Overview, PoolView, overview
from slurm_azure.cli.table import table
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import cores_of, price_of
from slurm_azure.daemon.memory import load_site
from slurm_azure.daemon.orders import FOLDER, given, pauses_after
from slurm_azure.daemon.settings import make_settings
from slurm_azure.errors import SchedulerError
from slurm_azure.hostlist import fold
from slurm_azure.intake import SUFFIX
from slurm_azure.model import Launch, NodeName, PoolName, SlurmNode
from slurm_azure.web.state import NodeState


@dataclass(frozen=True, slots=True)
class Report:
    """The overview, how many orders wait for the daemon, and how those stand who were asked; `answers` None = not asked."""

    cluster: str
    at: float
    overview: Overview
    orders: int
    obstacles: Obstacles
    daemon_answers: bool | None
    daemon: str
    slurm_answers: bool
    slurm: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `status`."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, context: Context) -> int:
    """Print the status."""
    report = _look(context)
    if options.json:
        context.say_json(_document(report))
    else:
        context.say("\n\n".join(_paragraphs(report)))
    return 0


def _look(context: Context) -> Report:
    config, now = context.config(), context.clock()
    pool_of = config.pool_of()
    patience = max(part.resume_timeout for part in config.partitions.values())
    orders = given(context.state / FOLDER)
    with context.journal() as journal:
        found: dict[str, Launch] = {one.id: one for one in journal.last_of_each_node()}
        found |= {one.id: one for one in journal.launches(since=now - RECENT - patience)}
        wishes, site = journal.wishes(), load_site(journal, now)
    site = replace(site, pauses=pauses_after(site.pauses, orders))
    slurm, slurm_says = _ask_slurm(context, config, [NodeName(name) for name in pool_of])
    answers, daemon_says = _ask_daemon(config.metrics.listen)
    seen = overview(pool_of, found.values(), wishes, _spooled(context), slurm, now)
    catalog = Catalog.load()
    policy = make_settings(config, lambda launch: "", price_of(config, catalog), cores_of(catalog)).policy
    in_the_way = obstacles(policy, site, [launch for launch in found.values() if launch.gone_at is None], now)
    return Report(config.cluster, now, seen, len(orders), in_the_way, answers, daemon_says, slurm is not None, slurm_says)


def _ask_slurm(context: Context, config: Config, names: Sequence[NodeName]) -> tuple[Mapping[NodeName, SlurmNode] | None, str]:
    try:
        return context.scheduler(config).nodes(names), "answers"
    except SchedulerError as error:
        return None, str(error)


def _ask_daemon(listen: str) -> tuple[bool | None, str]:
    """The first line of the daemon's /healthz. Not by urllib: a proxy of the environment has no business here."""
    if listen == "off":
        return None, "not asked (metrics.listen is off)"
    host, _, port = listen.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        line = connection.getresponse().read(300).decode("utf-8", "replace").partition("\n")[0]
        return True, line
    except (OSError, http.client.HTTPException) as error:
        return False, f"does not answer at {listen}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    finally:
        connection.close()


def _spooled(context: Context) -> int:
    try:
        return sum(file.name.endswith(SUFFIX) for file in (context.state / "spool").iterdir())
    except FileNotFoundError:
        return 0


def _document(report: Report) -> dict[str, Any]:
    seen = report.overview
    return {
        "at": iso(report.at),
        "cluster": report.cluster,
        "daemon": {"answers": report.daemon_answers, "says": report.daemon},
        "slurm": {"answers": report.slurm_answers, "says": report.slurm},
        "spool": seen.spool,
        "orders": report.orders,
        "pools": [_pool_document(pool) for pool in seen.pools],
        "pending": [
            {
                "kind": one.kind,
                "nodes": fold(one.nodes),
                "count": len(one.nodes),
                "since": iso(one.since),
                "jobs": list(one.jobs),
            }
            for one in seen.pending
        ],
        "moving": [
            {
                "pool": one.pool,
                "stage": one.stage,
                "offer": one.offer,
                "nodes": fold(one.nodes),
                "count": len(one.nodes),
                "since": iso(one.since),
            }
            for one in seen.motion
        ],
        "failures": [
            {
                "pool": one.pool,
                "reason": one.reason,
                "nodes": fold(one.nodes),
                "count": one.count,
                "last": iso(one.last),
                "detail": one.detail,
            }
            for one in seen.failures
        ],
        **obstacles_document(report.obstacles),
    }


def _pool_document(pool: PoolView) -> dict[str, Any]:
    return {
        "name": pool.name,
        "nodes": pool.nodes,
        "states": {state.value: count for state, count in pool.states.items()},
        "vms": pool.vms,
        "cost_usd_per_hour": round(pool.cost_per_hour, 4),
        "unpriced_vms": pool.unpriced,
        "slurm": None if pool.slurm is None else dict(pool.slurm),
    }


def _paragraphs(report: Report) -> list[str]:
    seen, now = report.overview, report.at
    head = [f"cluster {report.cluster}, {clock(now)}", f"daemon: {report.daemon}", f"Slurm: {report.slurm}"]
    if seen.spool:
        head.append(f"spool: {seen.spool} requests that the daemon has not taken in")
    if report.orders:
        head.append(f"orders: {report.orders} that the daemon has not taken in; what is shown is as they will have it")
    parts = ["\n".join(head), _pool_table(seen.pools, report.obstacles.spent), *obstacles_paragraphs(report.obstacles, now)]
    if report.slurm_answers:
        parts.append("As Slurm sees them:\n" + _slurm_table(seen.pools))
    if seen.pending:
        rows = [(one.kind, len(one.nodes), fold(one.nodes), span(now - one.since)) for one in seen.pending]
        parts.append("Asked for and not seen to:\n" + table(["REQUEST", "COUNT", "NODES", "AGE"], rows))
    if seen.motion:
        moving = [
            (one.pool, one.stage, len(one.nodes), fold(one.nodes), span(now - one.since), one.offer) for one in seen.motion
        ]
        parts.append("On their way:\n" + table(["POOL", "STAGE", "COUNT", "NODES", "OLDEST", "OFFER"], moving))
    if seen.failures:
        failed = [
            (one.pool, one.reason, one.count, fold(one.nodes), span(now - one.last) + " ago", one.detail)
            for one in seen.failures
        ]
        header = ["POOL", "REASON", "COUNT", "NODES", "LAST", "DETAIL"]
        parts.append("Failures of the last hour:\n" + table(header, failed))
    return parts


def _pool_table(pools: Sequence[PoolView], spent: Mapping[PoolName, float]) -> str:
    rows: list[list[object]] = [
        [pool.name, pool.nodes, *pool.states.values(), pool.vms, pool.cost_per_hour, spent.get(pool.name, 0.0)]
        for pool in pools
    ]
    if len(rows) > 1:
        rows.append(["all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))])
    text = table(["POOL", "NODES", *(state.value.upper() for state in NodeState), "VMS", "USD/H", "USD/MONTH"], rows)
    unpriced = sum(pool.unpriced for pool in pools)
    return text + (f"\n{unpriced} VMs have no known price (price_per_hour of their pool sets one)" if unpriced else "")


def _slurm_table(pools: Sequence[PoolView]) -> str:
    seen = [(pool.name, pool.slurm) for pool in pools if pool.slurm is not None]
    header = ["POOL", *(word.upper().replace(" ", "_") for word in seen[0][1])] if seen else ["POOL"]
    return table(header, [[name, *counts.values()] for name, counts in seen])
