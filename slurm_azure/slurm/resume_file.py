"""SLURM_RESUME_FILE: which job waits for which nodes.

Three shapes are known (src/slurmctld/power_save.c; captured in tests/fixtures): 21.08 and 22.05 have
`{"all_nodes": HOSTLIST, "jobs": [{"job_id": 1, "nodes": HOSTLIST}]}`, since 23.02 it is `all_nodes_resume` and
`nodes_resume` (with `nodes_alloc`, which may name nodes that are up already), 26.05 adds keys. There is none in 20.11,
nor without json-c. So it is a bonus: the hook's argument says which nodes, and nothing here ever raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from slurm_azure.errors import HostlistError
from slurm_azure.hostlist import expand
from slurm_azure.model import JobNodes, NodeName

_NODES_KEYS = ("nodes_resume", "nodes")
_JOBS = re.compile(r'"jobs"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")


def parse_resume_file(text: bytes) -> tuple[JobNodes, ...]:
    """The jobs of the file with those of their nodes that must be powered up, in the file's order (the order of allocation).

    What cannot be read is left out: a job without a number or nodes, a hostlist that is none, the rest of a file that
    was cut off.
    """
    decoded = text.decode("utf-8", "replace")
    try:
        return tuple(_jobs(_listed(json.loads(decoded))))
    except (ValueError, RecursionError):
        return tuple(_jobs(_readable(decoded)))


def _listed(document: object) -> Iterator[object]:
    jobs = document.get("jobs") if isinstance(document, dict) else None
    yield from jobs if isinstance(jobs, list) else ()


def _readable(text: str) -> Iterator[object]:
    """The whole entries of the `jobs` list of a damaged file, up to the first damage."""
    start = _JOBS.search(text)
    decoder = json.JSONDecoder()
    position = start.end() if start else len(text)
    while position < len(text):
        try:
            entry, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield entry
        between = _BETWEEN.match(text, end)
        position = between.end() if between else end


def _jobs(entries: Iterator[object]) -> Iterator[JobNodes]:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        job_id = entry.get("job_id")
        nodes = _nodes(entry)
        if isinstance(job_id, int) and not isinstance(job_id, bool) and job_id > 0 and nodes:
            yield JobNodes(job_id, nodes)


def _nodes(entry: dict[str, object]) -> tuple[NodeName, ...]:
    hostlist = next((entry[key] for key in _NODES_KEYS if isinstance(entry.get(key), str)), "")
    try:
        return tuple(NodeName(name) for name in expand(str(hostlist)))
    except HostlistError:
        return ()
