"""Running Slurm's commands: their environment, their time limit, and what their complaints mean."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.errors import SchedulerError, SchedulerRefused, SchedulerUnreachable

ARGUMENT_LIMIT = 100_000
"""Bytes we put into one argument at most; Linux takes 131,072 (MAX_ARG_STRLEN, man execve)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: exit code, standard output and standard error."""

    code: int
    out: bytes
    err: bytes


Run = Callable[[Sequence[str], Mapping[str, str], float], Outcome]
"""Runs argv with that environment and nothing else, for at most so many seconds; raises OSError or TimeoutExpired."""


def run_command(argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
    """The real `Run`."""
    done = subprocess.run(argv, env=environ, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def environment(conf: Path | None) -> dict[str, str]:
    """What Slurm's commands get: no SLURM_* or SQUEUE_* variable of ours may change what they print."""
    fixed = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
    return fixed if conf is None else {**fixed, "SLURM_CONF": str(conf)}


_UNREACHABLE = {
    # words of Slurm's commands (src/common/slurm_errno.c, 22.05 to 26.05) and what to do about it
    "unable to contact slurm controller": "is slurmctld running, and does SlurmctldHost in slurm.conf lead to it?",
    "socket timed out": "slurmctld is overloaded or hangs; see sdiag and its log",
    "zero bytes were transmitted": "slurmctld broke the connection; see its log",
    "connection refused": "is slurmctld running?",
    "connection reset": "slurmctld broke the connection; see its log",
    "transport endpoint is not connected": "slurmctld broke the connection; see its log",
    "standby mode": "the backup controller does not serve yet; the primary is gone",
    "munge": "is munged running on this machine?",
    "protocol authentication error": "is munged running, with the same key and time as slurmctld's?",
    "invalid authentication credential": "do munge key and time agree with slurmctld's?",
    "auth_g_create": "the authentication plugin failed; with munge: is munged running?",
    "incompatible versions": "commands and slurmctld are of Slurm releases too far apart",
    "could not establish a configuration source": "there is no slurm.conf where slurm.conf_dir in slurm-azure.yaml says",
    "unable to process configuration file": "slurm.conf is missing or has mistakes",
    "unable to resolve": "the controller's name cannot be resolved",
}


def complaint(what: str, outcome: Outcome) -> SchedulerError:
    """The exception for a command that failed: unreachable for the words above, refused for all others."""
    words = (outcome.err + b" " + outcome.out[:1000]).decode("utf-8", "replace")
    line = " ".join(_last_line(words).split())[:300] or f"exit code {outcome.code} and no word"
    remedy = next((remedy for phrase, remedy in _UNREACHABLE.items() if phrase in words.lower()), None)
    if remedy is None:
        return SchedulerRefused(line)
    return SchedulerUnreachable(f"{what}: {line}: {remedy}")


def call(run: Run, argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
    """Run a Slurm command that must succeed.

    Raises SchedulerUnreachable as `ask` does, SchedulerRefused with Slurm's words if it fails otherwise.
    """
    outcome = ask(run, argv, environ, timeout)
    if outcome.code != 0:
        raise complaint(Path(argv[0]).name, outcome)
    return outcome


def ask(run: Run, argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
    """Run a Slurm command whose failure is an answer too.

    Raises SchedulerUnreachable if it cannot be run, takes longer than `timeout` seconds or does not reach slurmctld.
    """
    what = Path(argv[0]).name
    try:
        outcome = run(argv, environ, timeout)
    except subprocess.TimeoutExpired:
        raise SchedulerUnreachable(
            f"{what}: no answer within {timeout:.0f} s: slurmctld hangs, or slurm.conf is missing"
        ) from None
    except OSError as error:
        remedy = "is slurm.bin_dir in slurm-azure.yaml right, and Slurm's client package installed?"
        raise SchedulerUnreachable(f"{argv[0]}: {error.strerror or error}: {remedy}") from None
    if outcome.code != 0:
        failure = complaint(what, outcome)
        if isinstance(failure, SchedulerUnreachable):
            raise failure
    return outcome


def _last_line(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1] if lines else ""
