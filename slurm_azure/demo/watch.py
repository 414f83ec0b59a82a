"""What changes while the site works: two looks at it, and the lines that say what is different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from slurm_azure.demo.site import Site
from slurm_azure.hostlist import fold

_LOOK = r"""
sinfo --noheader --Node --partition "$1" --format '%N %T'; echo ==
squeue --noheader --array --states all --format '%K %T %N' --partition "$1" --user "$2"; echo ==
ls "$3" | grep -c '^frame-.*png$'
"""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: node states as sinfo has them, VMs by name with their state in Azure, tasks by state, pictures on the share."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    machines: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, int] = field(default_factory=dict)
    pictures: int = 0

    @property
    def at_rest(self) -> bool:
        """No VM, and every node powered down."""
        return not self.machines and bool(self.nodes) and all(state == "idle~" for state in self.nodes.values())


def look(site: Site, partition: str, user: str, frames: str) -> Look:
    """Ask Slurm, the share and the simulator's control endpoint (which is no call to Azure, so it does not count as one)."""
    text = site.head.run(["sh", "-c", _LOOK, "sh", partition, user, frames], check=False).stdout
    nodes, tasks, pictures = ([line.split() for line in part.splitlines() if line] for part in text.split("==\n"))
    states = [fields[1] for fields in tasks if len(fields) > 1]
    return Look(
        nodes=dict(fields for fields in nodes if len(fields) == 2),
        machines={vm["name"]: _vm_state(vm) for vm in site.control("/vms")["value"]},
        tasks={state: states.count(state) for state in sorted(set(states))},
        pictures=int(pictures[0][0]) if pictures else 0,
    )


def changes(before: Look, now: Look) -> Iterator[tuple[str, str]]:
    """Who has something new to say (`Slurm`, `Azure`, `Jobs`), and what."""
    for (old, new), nodes in _grouped(before.nodes, now.nodes):
        if old is not None and new is not None:
            yield "Slurm", f"{old:>7} -> {new:<7} {fold(nodes)}"
    for (old, new), machines in _grouped(before.machines, now.machines):
        yield "Azure", f"{old or 'new':>7} -> {new or 'gone':<7} {' '.join(machines)}"
    if (before.tasks, before.pictures) != (now.tasks, now.pictures):
        tasks = ", ".join(f"{count} {state.lower()}" for state, count in now.tasks.items())
        yield "Jobs", f"{tasks or 'none'}; {now.pictures} pictures on the share"


def _grouped(before: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[tuple[str | None, str | None], list[str]]]:
    steps = [((before.get(name), now.get(name)), name) for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    steps.sort(key=lambda step: (step[0][0] or "", step[0][1] or ""))
    return [(key, [name for _, name in group]) for key, group in groupby(steps, key=lambda step: step[0])]


def _vm_state(vm: Mapping[str, Any]) -> str:
    """One word: the power state of a VM that is there, else what Azure is doing with it."""
    state = str(vm["provisioningState"]).lower()
    return str(vm["powerState"]) if state == "succeeded" else state
