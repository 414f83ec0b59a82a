"""From the hook to the last create call: 5,000 nodes in 2,500 two-node jobs, with a cloud that only records."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

from bench.figures import Figure
from slurm_azure.daemon.assemble import Parts, assemble
from tests.support.configs import a_config
from tests.support.recording_cloud import RecordingCloud
from tests.support.recording_scheduler import RecordingScheduler

HOOK = Path(__file__).resolve().parents[1] / "hooks" / "resume"
NODES, RUNS = 5000, 5


def measure() -> list[Figure]:
    """Hook, spool, journal on this disk, decisions, user data and the call itself; no HTTP."""
    what = f"request of {NODES} nodes in {NODES // 2} jobs: hook to last create call"
    return [Figure(what, "s", [_run() for _ in range(RUNS)], 1.0)]


def _resume_file() -> bytes:
    jobs = [
        {"job_id": 100 + n, "nodes_alloc": f"az-[{2 * n + 1}-{2 * n + 2}]", "nodes_resume": f"az-[{2 * n + 1}-{2 * n + 2}]"}
        for n in range(NODES // 2)
    ]
    return json.dumps({"all_nodes_resume": f"az-[1-{NODES}]", "jobs": jobs}).encode()


def _run() -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cloud, ids = RecordingCloud(), itertools.count()
        config = a_config(nodes=f"az-[1-{NODES}]")
        parts = assemble(config, folder, folder, lambda: f"{next(ids):08x}", cloud, RecordingScheduler())
        try:
            return _time(parts, cloud, folder)
        finally:
            parts.close()


def _time(parts: Parts, cloud: RecordingCloud, folder: Path) -> float:
    _settle(parts)
    file = folder / "resume.json"
    file.write_bytes(_resume_file())
    arguments = [str(HOOK), "--spool", str(folder / "spool"), "--wake", str(folder / "wake"), f"az-[1-{NODES}]"]
    start = time.perf_counter()
    process = os.posix_spawn(str(HOOK), arguments, {"SLURM_RESUME_FILE": str(file)})
    while len(cloud.orders) < NODES:
        parts.bell.wait(min(parts.loop.turn(), 1.0))
        if time.perf_counter() - start > 60:
            raise SystemExit(f"only {len(cloud.orders)} of {NODES} create calls after 60 s")
    seconds = time.perf_counter() - start
    os.waitpid(process, 0)
    return seconds


def _settle(parts: Parts) -> None:
    """Let the daemon's first looks at Slurm and Azure come back: a burst meets a running daemon."""
    for _ in range(3):
        parts.loop.turn()
        while parts.calls.busy():
            parts.bell.wait(0.05)
            parts.loop.turn()
