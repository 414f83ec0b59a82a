"""The boot report: what slurmctld, and by it the daemon on the head node, is told of this boot, as the node's Comment.

Slurm takes a comment from root on any machine of the cluster (man scontrol, "scontrol update NodeName", Comment), keeps it
through restarts and power saving, and shows it as it is: hence one line, and the launch in it.
"""

import os
import re
from typing import Callable, Tuple

from slurm_node.node import Node
from slurm_node.outcome import Outcome, uptime
from slurm_node.scontrol import tell
from slurm_node.system import run, say

LIMIT = 900
_MIB = 1 << 20


def report_success(node: Node, outcome: Outcome, tell: Callable[..., bool] = tell) -> None:
    """One more word to slurmctld, which knows by slurmd's registration already: a node that joined stays one without it."""
    say(f"node {node.name} joined {uptime():.1f} s after its boot")
    if not tell(node, "comment=" + boot_report(outcome)):
        say("the boot report is lost; the node serves without it")


def report_failure(node: Node, outcome: Outcome, tell: Callable[..., bool] = tell) -> None:
    """Whether the node is tried again or set down is the daemon's decision; if it cannot be asked, the node goes down by
    itself, so that its jobs are requeued now."""
    if not tell(node, "comment=" + boot_report(outcome)):
        tell(node, "state=down", f"reason=slurm-azure: boot: {outcome.failure}")


def boot_report(outcome: Outcome) -> str:
    """The comment: words of the form name=value, cause last and free up to the end. `seconds` are since boot."""
    memory, cpus = hardware()
    stages = ",".join(f"{_word(step)}:{seconds:.2f}" for step, seconds in outcome.stages.items())
    words = [
        f"slurm-azure boot={'failed' if outcome.failure else 'ok'}",
        f"launch={_word(outcome.launch)}",
        f"seconds={uptime():.1f}",
        f"stages={stages or '-'}",
        f"memory={memory}",
        f"cpus={cpus}",
    ]
    if outcome.failure:
        words += [f"step={_word(outcome.step)}", f"cause={outcome.cause}"]
    return _plain(" ".join(words))[:LIMIT]


def hardware() -> Tuple[int, int]:
    """Memory in MiB and CPUs as slurmd will claim them, else as the kernel has them."""
    output = run(["slurmd", "-C"])[1]
    memory, cpus = re.search(r"\bRealMemory=(\d+)", output), re.search(r"\bCPUs=(\d+)", output)
    if memory and cpus:
        return int(memory.group(1)), int(cpus.group(1))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB, os.cpu_count() or 1


def _word(text: str) -> str:
    return re.sub(r"[\s,:=]+", "-", text) or "-"


def _plain(text: str) -> str:
    """ASCII without double quotes, which Slurm would show as they are and so end the value for whoever reads it."""
    return text.encode("ascii", "replace").decode("ascii").replace('"', "'")
