"""`slurm-azure why NODE`: what happened to a node, when, and why; from the journal."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slurm_azure.cli.context import Context
from slurm_azure.cli.evidence import Console, console_of, job_document
from slurm_azure.cli.evidence import launch_document as evidence_of
from slurm_azure.cli.evidence import paragraphs as evidence_paragraphs
from slurm_azure.cli.moments import clock, iso, span
from slurm_azure.cli.nodes import nearest
from slurm_azure.cli.table import table
from slurm_azure.cli.timeline import Entry, cost, timeline
from slurm_azure.config import Config
from slurm_azure.errors import ConfigError, HostlistError, SchedulerError, UsageError
from slurm_azure.hostlist import expand
from slurm_azure.journal import Event, Journal, TakenRequest
from slurm_azure.model import JobTrouble, Launch, NodeName, RequestKind, SlurmNode

SHOWN = 3
"""Launches that are shown unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one node. `slurm` None = Slurm did not answer, or does not know the node. `consoles` by launch id;
    `troubles` of the jobs it was launched for."""

    node: str
    pool: str | None
    at: float
    launches: Sequence[Launch]
    earlier: int
    entries: Sequence[Entry]
    consoles: Mapping[str, Console]
    troubles: Sequence[JobTrouble]
    slurm: SlurmNode | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `why`."""
    parser.add_argument("node", metavar="NODE", help="a node's name")
    parser.add_argument("--last", metavar="N", type=_count, default=SHOWN, help=f"how many launches; 0 = all [{SHOWN}]")
    parser.add_argument("--console", action="store_true", help="all of the serial console's lines, not just the last ones")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of launches")
    return int(text)


def run(options: argparse.Namespace, context: Context) -> int:
    """Print the node's story. Raises UsageError for a node that neither configuration nor journal knows."""
    story = _look(options.node, options.last, context)
    if options.json:
        context.say_json(_document(story, options.console))
    else:
        context.say("\n\n".join(_paragraphs(story, options.console)))
    return 0


def _look(node: str, last: int, context: Context) -> Story:
    config, now = _config(context), context.clock()
    pools = {} if config is None else config.pool_of()
    with context.journal() as journal:
        every = journal.launches(node=node)
        launches = _last(every, last)
        begin = launches[0].planned_at if len(launches) < len(every) else 0.0
        requests = _requests(journal, node, launches, begin)
        events = [event for event in journal.events(node) if event.at >= begin]
        consoles = {str(one.id): console for one in launches if (console := console_of(journal.console(one.id))) is not None}
        jobs = {job for one in launches for job in one.jobs}
        troubles = [trouble for trouble in journal.troubles() if trouble.job in jobs]
    _complain_if_unknown(node, pools, [*every, *requests, *events])
    pool = pools.get(node) or (every[-1].pool if every else None)
    slurm = None if config is None else _ask_slurm(context, config, NodeName(node))
    entries = timeline(launches, requests, events, now)
    return Story(node, pool, now, launches, len(every) - len(launches), entries, consoles, troubles, slurm)


def _last(every: Sequence[Launch], count: int) -> Sequence[Launch]:
    """The last launches, with the earlier attempts of the first one's wake-up; all of them for 0."""
    begin = max(0, len(every) - count) if count else 0
    while begin > 0 and every[begin].asked_at is not None and every[begin - 1].asked_at == every[begin].asked_at:
        begin -= 1
    return every[begin:]


def _config(context: Context) -> Config | None:
    """A journal can be read although the configuration has a mistake, and then it is needed most."""
    try:
        return context.config()
    except ConfigError as error:
        context.remark(f"going on without the configuration: {str(error).splitlines()[0]}")
        return None


def _complain_if_unknown(node: str, pools: dict[str, Any], traces: Sequence[Launch | TakenRequest | Event]) -> None:
    if node not in pools and not traces:
        raise UsageError(f"{node!r} is in no pool, and the journal does not know it{nearest(node, pools)}")


def _requests(journal: Journal, node: str, launches: Sequence[Launch], begin: float) -> list[TakenRequest]:
    """Requests that named the node: those that led to its launches, and others since the first of these."""
    ids = [launch.request for launch in launches if launch.request is not None]
    causes = journal.requests(ids=ids) if ids else []
    since = min([request.at for request in causes], default=begin)
    others = (request for request in journal.requests(since=since) if request.id not in ids)
    found = [*causes, *(request for request in others if _names(request, node))]
    return [_for_this_node(request, launches) for request in sorted(found, key=lambda one: one.at)]


def _names(request: TakenRequest, node: str) -> bool:
    if node.rstrip("0123456789") not in request.nodes:
        return False  # spares expanding the long lists of other pools
    try:
        return node in expand(request.nodes)
    except HostlistError:
        return False


def _for_this_node(request: TakenRequest, launches: Iterable[Launch]) -> TakenRequest:
    """The request with the jobs of this node alone: one request may be for thousands."""
    own = next((launch.jobs for launch in launches if launch.request == request.id), ())
    return replace(request, jobs=own if request.kind is RequestKind.RESUME else ())


def _ask_slurm(context: Context, config: Config, node: NodeName) -> SlurmNode | None:
    try:
        return context.scheduler(config).nodes([node]).get(node)
    except SchedulerError as error:
        context.remark(str(error))
        return None


def _document(story: Story, whole: bool) -> dict[str, Any]:
    slurm = story.slurm
    return {
        "at": iso(story.at),
        "node": story.node,
        "pool": story.pool,
        "slurm": None if slurm is None else {"state": _state(slurm), "flags": sorted(slurm.flags), "reason": slurm.reason},
        "earlier_launches": story.earlier,
        "launches": [
            {**_launch_document(launch, story.at), **evidence_of(launch, story.consoles.get(launch.id), whole)}
            for launch in story.launches
        ],
        "jobs_in_trouble": [job_document(trouble) for trouble in story.troubles],
        "timeline": [
            {
                "at": iso(entry.at),
                "after_seconds": None if entry.after is None else round(entry.after, 3),
                "what": entry.what,
                "text": entry.text,
                "launch": entry.launch,
            }
            for entry in story.entries
        ],
    }


def _launch_document(launch: Launch, now: float) -> dict[str, Any]:
    spent = cost(launch, now)
    return {
        "id": launch.id,
        "vm": launch.vm_name,
        "pool": launch.pool,
        "size": launch.offer.size,
        "zone": launch.offer.zone,
        "priority": launch.offer.priority,
        "stage": launch.stage,
        "request": launch.request,
        "jobs": list(launch.jobs),
        "usd_per_hour": launch.price,
        "cost_usd": None if spent is None else round(spent, 4),
        "release_reason": launch.release_reason or None,
        "planned_at": iso(launch.planned_at),
        "joined_at": iso(launch.joined_at),
        "gone_at": iso(launch.gone_at),
    }


def _paragraphs(story: Story, whole: bool) -> list[str]:
    head = [f"{story.node}, pool {story.pool or '(configured no more)'}, {clock(story.at)}", f"now: {_now(story)}"]
    if story.slurm is not None:
        reason = f", reason: {story.slurm.reason}" if story.slurm.reason else ""
        head.append(f"Slurm: {_state(story.slurm)}{reason}")
    if story.earlier:
        head.append(f"{story.earlier} earlier launches are not shown (--last 0 shows all)")
    if not story.entries:
        return ["\n".join(head)]
    rows = [
        (clock(one.at), "" if one.after is None else "+" + span(one.after), one.launch or "", one.what, one.text)
        for one in story.entries
    ]
    evidence = evidence_paragraphs(story.launches, story.consoles, story.troubles, whole)
    return ["\n".join(head), table(["WHEN", "AFTER", "LAUNCH", "WHAT", "WHY"], rows), *evidence]


def _now(story: Story) -> str:
    if not story.launches:
        return "off; the journal has no launch of it"
    launch = story.launches[-1]
    spent = cost(launch, story.at)
    money = "" if spent is None else f", about {spent:.2f} USD so far"
    if launch.gone_at is not None:
        return "off" + (f"; the last launch failed: {launch.failure.reason}" if launch.failure else "")
    return f"{launch.stage} for {span(story.at - _since(launch))}, VM {launch.vm_name}{money}"


def _since(launch: Launch) -> float:
    moments = (launch.released_at, launch.joined_at, launch.running_at, launch.accepted_at)
    return next((at for at in moments if at is not None), launch.planned_at)


def _state(node: SlurmNode) -> str:
    """The state as scontrol shows it: base state first, then its flags."""
    return "+".join(sorted(node.flags, key=lambda flag: (flag not in _BASE, flag)))


_BASE = ("UNKNOWN", "DOWN", "IDLE", "ALLOCATED", "ERROR", "MIXED", "FUTURE")
