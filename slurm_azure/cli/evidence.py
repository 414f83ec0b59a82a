"""What there is about launches besides their moments: attempts of one wake-up, the node's boot report, the serial console, and
whose affair a failure is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from slurm_azure.cli.moments import clock, iso, span
from slurm_azure.cli.table import table
from slurm_azure.model import Blame, BootReport, Failure, JobTrouble, Launch, Stage
from slurm_azure.slurm.boot_report import parse_boot_report

TAIL = 30
"""Lines of a console log that are shown unless all are asked for."""

AFFAIR_OF: Mapping[Blame, str] = MappingProxyType({
    Blame.CAPACITY: "nobody here: Azure has no room; time, or another size, zone or priority",
    Blame.QUOTA: "whoever may ask Microsoft for more quota",
    Blame.CONFIGURATION: "the administrator: slurm-azure.yaml, or how the subscription is set up",
    Blame.THROTTLING: "nobody: Azure's request budgets; time",
    Blame.TRANSIENT: "nobody: the next try may work",
    Blame.IMAGE: "whoever makes the image, or the servers that nodes need at their boot",
    Blame.PERMISSION: "whoever assigns roles in Azure",
    Blame.POLICY: "whoever writes Azure policies and locks",
    Blame.SITE: "this site: its own limits and orders",
})  # fmt: skip

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])")


@dataclass(frozen=True, slots=True)
class Console:
    """A launch's serial console log, read at `at`; whole, in lines that are fit for a terminal."""

    at: float
    lines: Sequence[str]


def console_of(found: tuple[float, str] | None) -> Console | None:
    """What the journal has of it, made readable."""
    return None if found is None else Console(found[0], [_readable(line) for line in found[1].splitlines()])


def _readable(line: str) -> str:
    """Without escape sequences and control characters: what a VM writes must not command the reader's terminal."""
    plain = _ESCAPE.sub("", line).replace("\t", "    ")
    return "".join(character for character in plain if character.isprintable()).rstrip()


def boot_of(launch: Launch) -> BootReport | None:
    """What the node told of its boot."""
    return parse_boot_report(launch.boot)


def paragraphs(
    launches: Sequence[Launch], consoles: Mapping[str, Console], troubles: Sequence[JobTrouble], whole: bool
) -> list[str]:
    """For people. `consoles` by launch id; `whole`: all of their lines."""
    parts = []
    if any(launch.attempt > 1 for launch in launches):
        parts.append("Attempts:\n" + _attempts(launches))
    for launch in launches:
        about = [*_failure_lines(launch.failure), *_boot_lines(boot_of(launch), launch.failure)]
        if about:
            parts.append(f"Launch {launch.id}:\n" + "\n".join(f"  {line}" for line in about))
        if launch.id in consoles:
            parts.append(_console_text(launch, consoles[launch.id], whole))
    if troubles:
        rows = [(one.job, one.failures, clock(one.at)) for one in troubles]
        parts.append("Jobs that lost nodes before they could start:\n" + table(["JOB", "TIMES", "LAST"], rows))
    return parts


def _attempts(launches: Sequence[Launch]) -> str:
    """One block of rows for each wake-up."""
    rows = []
    for asked_at, group in groupby(launches, key=_asked_at):
        for launch in group:
            rows.append((clock(asked_at), launch.attempt, launch.id, str(launch.offer), _outcome(launch)))
    return table(["WAKE-UP", "ATTEMPT", "LAUNCH", "OFFER", "OUTCOME"], rows)


def _asked_at(launch: Launch) -> float:
    return launch.planned_at if launch.asked_at is None else launch.asked_at


def _outcome(launch: Launch) -> str:
    if launch.failure is not None:
        return f"failed: {launch.failure.reason}"
    if launch.joined_at is not None:
        return f"joined after {span(launch.joined_at - _asked_at(launch))}"
    return launch.release_reason if launch.stage in (Stage.RELEASED, Stage.GONE) else launch.stage


def _failure_lines(failure: Failure | None) -> list[str]:
    if failure is None:
        return []
    return [f"failed: {failure.reason}, an affair of {AFFAIR_OF[failure.blame]}"]


def _boot_lines(report: BootReport | None, failure: Failure | None) -> list[str]:
    if report is None:
        return []
    how = "booted" if report.ok else f"boot failed at {report.step or 'an unknown step'}"
    told_already = failure is not None and report.cause in failure.detail  # the line of time has it
    cause = f": {report.cause}" if report.cause and not told_already else ""
    lines = [f"the node told: {how} after {span(report.seconds)}{cause}"]
    if report.stages:
        lines.append("steps: " + ", ".join(f"{name} {span(seconds)}" for name, seconds in report.stages))
    if report.memory_mib is not None and report.cpus is not None:
        lines.append(f"it has {report.cpus} CPUs and {report.memory_mib} MiB")
    return lines


def _console_text(launch: Launch, console: Console, whole: bool) -> str:
    lines = console.lines if whole else console.lines[-TAIL:]
    left_out = len(console.lines) - len(lines)
    more = f", the last {len(lines)} of {len(console.lines)} lines (--console shows all)" if left_out else ""
    return "\n".join([f"Serial console of launch {launch.id}, read {clock(console.at)}{more}:", *(f"  {one}" for one in lines)])


def launch_document(launch: Launch, console: Console | None, whole: bool) -> dict[str, Any]:
    """For scripts: what belongs to one launch."""
    return {
        "attempt": launch.attempt,
        "asked_at": iso(_asked_at(launch)),
        "deallocated_at": iso(launch.deallocated_at),
        "failure": _failure_document(launch.failure),
        "boot": _boot_document(boot_of(launch)),
        "console": None if console is None else _console_document(console, whole),
    }


def _console_document(console: Console, whole: bool) -> dict[str, Any]:
    lines = list(console.lines if whole else console.lines[-TAIL:])
    return {"read_at": iso(console.at), "lines": lines, "all_lines": len(console.lines)}


def _failure_document(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"reason": failure.reason, "detail": failure.detail, "blame": failure.blame, "scope": failure.scope}


def _boot_document(report: BootReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "ok": report.ok,
        "seconds": report.seconds,
        "stages": dict(report.stages),
        "step": report.step or None,
        "cause": report.cause or None,
        "memory_mib": report.memory_mib,
        "cpus": report.cpus,
    }


def job_document(trouble: JobTrouble) -> dict[str, Any]:
    """For scripts: a job that lost nodes."""
    return {"job": trouble.job, "failures": trouble.failures, "last": iso(trouble.at)}
