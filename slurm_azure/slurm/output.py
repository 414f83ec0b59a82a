"""What scontrol and squeue print, read; and texts as they can take them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from slurm_azure.model import SlurmNode
from slurm_azure.slurm.scheduler import Job
from slurm_azure.slurm.states import read_node

TEXT_LIMIT = 400
"""Characters of a reason or a comment that are shown to Slurm."""

JOB_FORMAT = "%A|%T|%P|%N|%u|%j"
"""squeue's format (man squeue, -o) that `parse_jobs` reads; the name comes last, for it may hold anything."""

_FIRST_FIELDS = ("CoresPerSocket=", "Arch=")
_REASON = re.compile(r"\sReason=(.*?)(?: \[[^\[\]\s]*@[^\[\]\s]*\]|(?=\s(?:Comment|Extra|InstanceId)=|\n)|\Z)")
_COMMENT = re.compile(r"\sComment=(.*?)(?=\s(?:Extra|InstanceId|InstanceType)=|\Z)", re.DOTALL)


def parse_nodes(text: str, wanted: Collection[str]) -> Iterator[SlurmNode]:
    """The nodes of `scontrol --oneliner show nodes` whose names are `wanted`.

    Values may hold blanks, `=` and line ends (Reason, Comment, Extra, OS): a record begins with a line of the fixed first
    fields, its state stands before and its reason before any text that users of Slurm may set. Only then comes the comment
    (seen so from 22.05 to 26.05; only Slurm's operators and root on a node can set these).
    """
    for record in f"\n{text}".split("\nNodeName=")[1:]:
        name, _, fields = record.partition(" ")
        if name not in wanted or not fields.startswith(_FIRST_FIELDS):
            continue
        end = fields.find(" ThreadsPerCore=")
        start = fields.rfind(" State=", 0, end) + len(" State=")
        if end >= start >= len(" State="):
            reason, comment = _texts(fields, end)
            yield read_node(name, fields[start:end], reason, comment)


def _texts(fields: str, start: int) -> tuple[str, str]:
    """Reason, without who set it and when, and comment; they stand in this order."""
    reason_at, comment_at = fields.find(" Reason=", start), fields.find(" Comment=", start)
    if 0 <= comment_at < reason_at:
        reason_at = -1  # it is part of the comment
    reason = _REASON.match(fields, reason_at) if reason_at >= 0 else None
    comment = _COMMENT.search(fields, start if reason is None else reason.end())
    return _value(reason), _value(comment)


def _value(match: re.Match[str] | None) -> str:
    """The value without blanks around it; `(null)` is none."""
    value = match[1].strip() if match is not None else ""
    return "" if value == "(null)" else value


def parse_jobs(text: str, mark: str) -> Iterator[Job]:
    """The jobs of squeue's output in JOB_FORMAT, where each record begins with `mark`.

    A job's name may hold any character, even line ends: only what could not be known beforehand separates safely.
    """
    for record in text.split(mark)[1:]:
        fields = record.split("|", 5)
        if len(fields) == 6 and fields[0].isdecimal():
            job_id, state, partition, nodes, user, name = fields
            yield Job(int(job_id), one_line(name), user, partition, state, nodes)


_REFUSED_JOB = re.compile(r"(?P<words>.*\S)\s+for job (?P<job>\d+)(?:[_+\[]\S*)?\s*")


def refused_jobs(complaints: str) -> dict[int, str]:
    """The jobs that an update of many was refused for, with the words: a line each, `Invalid job id specified for job 9`."""
    matches = map(_REFUSED_JOB.fullmatch, complaints.splitlines())
    return {int(match["job"]): one_line(match["words"]) for match in matches if match is not None}


def one_line(text: str) -> str:
    """`text` as Slurm can show it: one printable line of at most TEXT_LIMIT characters.

    scontrol takes off double quotes around a whole value (and nothing else: it sees no shell), so there are none.
    """
    line = " ".join(text[: 16 * TEXT_LIMIT].replace('"', "'").split())
    printable = "".join(char if char.isprintable() else "?" for char in line)
    return printable if len(printable) <= TEXT_LIMIT else printable[: TEXT_LIMIT - 3] + "..."
