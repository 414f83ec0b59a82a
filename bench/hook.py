"""What a hook costs slurmctld: wall time and peak memory of one run, for 1 node and for 10,000."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.figures import Figure

HOOK = Path(__file__).resolve().parents[1] / "hooks" / "resume"
RUNS = 31


def measure() -> list[Figure]:
    """Run the hook as slurmctld does (no environment but the resume file), with fsync on this machine's disk."""
    with tempfile.TemporaryDirectory() as folder:
        one = [_run(Path(folder), "az-1", _resume_file(1)) for _ in range(RUNS)][1:]
        many = [_run(Path(folder), _spread(10_000), _resume_file(10_000)) for _ in range(RUNS)][1:]
    return [
        Figure("hook, 1 node: wall time", "ms", [wall for wall, _ in one], 30),
        Figure("hook, 1 node: peak memory", "MiB", [memory for _, memory in one], 12),
        Figure("hook, 10,000 nodes in 5,000 jobs: wall time", "ms", [wall for wall, _ in many], 100),
        Figure("hook, 10,000 nodes in 5,000 jobs: peak memory", "MiB", [memory for _, memory in many]),
    ]


def _spread(count: int) -> str:
    """A hostlist that does not fold: every second name of 2 * `count` (some 60 kB for 10,000)."""
    return "az-[" + ",".join(str(number) for number in range(1, 2 * count, 2)) + "]"


def _resume_file(count: int) -> bytes:
    """SLURM_RESUME_FILE of two-node jobs, in the shape of Slurm 23.02 and later."""
    names = [f"az-{number}" for number in range(1, 2 * count, 2)]
    pairs = [",".join(names[at : at + 2]) for at in range(0, count, 2)]
    jobs = [
        {"extra": None, "features": None, "job_id": 1000 + n, "nodes_alloc": pair, "nodes_resume": pair, "partition": "cloud"}
        for n, pair in enumerate(pairs)
    ]
    return json.dumps({"all_nodes_resume": ",".join(names), "jobs": jobs}).encode()


def _run(folder: Path, nodes: str, resume_file: bytes) -> tuple[float, float]:
    """Wall time in ms and peak memory in MiB of one run."""
    file = folder / "resume.json"
    file.write_bytes(resume_file)
    arguments = [str(HOOK), "--spool", str(folder / "spool"), nodes]
    start = time.perf_counter()
    process = os.posix_spawn(str(HOOK), arguments, {"SLURM_RESUME_FILE": str(file)})
    _, status, _ = os.wait4(process, 0)
    wall = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"hook ended with {status}")
    return wall * 1e3, _peak(arguments, str(file))


_STARTER = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], {"SLURM_RESUME_FILE": sys.argv[1]})
print(os.wait4(child, 0)[2].ru_maxrss)
"""


def _peak(arguments: list[str], file: str) -> float:
    """MiB. Started by a process smaller than the hook: Linux counts the memory of before exec in too (man getrusage)."""
    command = ["/usr/bin/python3", "-IS", "-c", _STARTER, file, *arguments]
    return int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024
