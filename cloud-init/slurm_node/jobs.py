"""The jobs on this node, by Slurm's own commands: signal them, put them back into the queue, tell their owners why.

The commands are of the package that scontrol is of, in Debian (slurm-client) as in SchedMD's RPMs (slurm).
"""

import re
from typing import List, Sequence

from slurm_node.outcome import one_line
from slurm_node.scontrol import slurm

HERE = "RUNNING,SUSPENDED,CONFIGURING,STOPPED,SIGNALING,RESIZING,STAGE_OUT"
CALL_TIMEOUT = 5.0
REQUEUE_TIMEOUT = 10.0
_AWAY = re.compile("unable to contact|unexpected message|communication|timed out|did not end|authentication", re.I)
"""Slurm's words where slurmctld does not answer; of a job that it will not requeue it says `... for job 5`."""
_TERM = re.compile(r"(?:[^,\[\]]|\[[^\]]*\])+")


class Away(Exception):
    """slurmctld does not answer, so nothing is known or done."""


def jobs_on(name: str) -> List[str]:
    """Jobs that hold this node now, as `scontrol requeue` takes them: of a job array, the one task. Raises Away."""
    # Not `squeue -w`: for that squeue also loads all nodes of the cluster, some 500 bytes each.
    found = [line[0] for line in _squeue(HERE) if len(line) == 2 and holds(line[1], name)]
    # Of a heterogeneous job (7+0, 7+1) only the whole can be requeued, by its first number.
    return list(dict.fromkeys(job.partition("+")[0] for job in found))


def ended_badly(ids: Sequence[str]) -> List[str]:
    """Those of the jobs that failed: what our signal ended must run again. Raises Away."""
    # Not `--jobs`: squeue fails as a whole when slurmctld has forgotten one of them.
    failed = [line[0].partition("+")[0] for line in _squeue("FAILED")] if ids else []
    return [job for job in ids if job in failed]


def requeue(ids: List[str]) -> List[str]:
    """Put batch jobs back into the queue; returns slurmctld's words on those that it cannot. Raises Away."""
    if not ids:
        return []
    code, output = slurm(["scontrol", "requeue", ",".join(ids)], REQUEUE_TIMEOUT, limit=2000)
    return [] if code == 0 else [_refused(output)]


def explain(ids: List[str], comment: str) -> str:
    """Set the AdminComment of these jobs, where their owners look; returns what went wrong."""
    if not ids:
        return ""
    # A list is gone through to its end, whichever of its jobs slurmctld does not know any more.
    argv = ["scontrol", "update", f"jobid={','.join(ids)}", f"admincomment={comment}"]
    code, output = slurm(argv, CALL_TIMEOUT)
    return "" if code == 0 else one_line(output)


def send_signal(ids: List[str], signal: str) -> List[str]:
    """A signal to every process of these jobs, the batch script's too; returns what went wrong. Raises Away."""
    if not ids:
        return []
    # A job that has ended meanwhile is no failure of slurmctld's.
    code, output = slurm(["scancel", "--full", f"--signal={signal}", *ids], REQUEUE_TIMEOUT)
    if code != 0 and _AWAY.search(output):
        raise Away(output)
    return [] if code == 0 else [output]


def holds(expression: str, name: str) -> bool:
    """Whether a hostlist as Slurm writes it (`a[1-3,07],b5`) has this name."""
    return any(_matches(term, name) for term in _TERM.findall(expression))


def _matches(term: str, name: str) -> bool:
    parts = re.split(r"\[([^\]]*)\]", term)
    numbers = re.match("([0-9]+)".join(map(re.escape, parts[::2])) + "$", name)
    if numbers is None:
        return False
    return all(_is_among(ranges, number) for ranges, number in zip(parts[1::2], numbers.groups()))


def _is_among(ranges: str, number: str) -> bool:
    for one in ranges.split(","):
        low, _, high = one.partition("-")
        width = max(len(low), len(str(int(number))))
        if len(number) == width and int(low) <= int(number) <= int(high or low):
            return True
    return False


def _squeue(states: str) -> List[List[str]]:
    """Number and nodes, where it has any, of each job in one of these states."""
    argv = ["squeue", "--noheader", "--all", f"--states={states}", "--format=%i %N;"]
    code, output = slurm(argv, CALL_TIMEOUT, limit=1 << 22)
    if code != 0:
        raise Away(one_line(output))
    return [line.split() for line in output.split(";") if line.strip()]


def _refused(output: str) -> str:
    if _AWAY.search(output) or "for job" not in output:
        raise Away(one_line(output))
    return output
