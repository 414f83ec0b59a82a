#!/usr/bin/env python3
"""Makes a Slurm node of a freshly booted VM. Run as root by cloud-init at every boot; reads /etc/slurm-azure/node.json.

Steps in a fixed order, slurmd last; the first that fails ends it. Then slurmctld is told how it went, by the node's Comment
(report.py has its words), and after a failure the VM powers off; the daemon on the head node decides what becomes of the
node. What was done is left in /run/slurm-azure/boot.json; all that is printed is in the console log and in
/var/log/cloud-init-output.log.

Python 3.6 and newer, standard library only. Works with systemd and without.
"""

import json
import os
import sys
import time
from typing import Callable, List, Tuple

from slurm_node.mounts import mount_shares
from slurm_node.munge import put_key, start_munged
from slurm_node.names import add_to_hosts, set_host_name
from slurm_node.node import Node, read_node
from slurm_node.outcome import Outcome, Patience, StepFailed, uptime
from slurm_node.report import report_failure, report_success
from slurm_node.scontrol import EVICTED, EVICTED_CAUSE, RUN, configure_scontrol
from slurm_node.slurmd import start_slurmd
from slurm_node.system import power_off, say, say_on_console, write_file
from slurm_node.vault import wait_for_metadata

Step = Tuple[str, Callable[[Node, Patience, Outcome], None]]

STEPS: Tuple[Step, ...] = (
    ("host name", set_host_name),
    ("hosts", add_to_hosts),
    ("metadata", wait_for_metadata),
    ("munge key", put_key),
    ("munged", start_munged),
    ("scontrol", configure_scontrol),
    ("mounts", mount_shares),
    ("slurmd", start_slurmd),
)


def join(node: Node, patience: Patience, steps: Tuple[Step, ...] = STEPS, evicted: str = EVICTED) -> Outcome:
    """Do the steps in order, until one fails, or the watcher has made the file `evicted` and slurmctld can be told."""
    outcome = Outcome(node.launch)
    for name, step in steps:
        begun = time.monotonic()
        try:
            if "scontrol" in outcome.stages and os.path.exists(evicted):
                raise StepFailed(EVICTED_CAUSE)
            step(node, patience, outcome)
        except Exception as error:
            # Whatever it is, somebody has to hear of it: a node that just stays away is what must not be.
            plain = isinstance(error, (StepFailed, OSError))
            outcome.fail(name, str(error) if plain else f"{type(error).__name__}: {error}")
        outcome.stages[name] = time.monotonic() - begun
        say(f"{name:<9} {outcome.stages[name]:7.3f} s{'' if outcome.failure is None else '  failed'}")
        if outcome.failure is not None:
            break
    return outcome


def keep(node: Node, outcome: Outcome) -> None:
    """Leave boot.json: what was done, for whoever asks."""
    os.makedirs(RUN, exist_ok=True)
    text = json.dumps(outcome.document(node.name), indent=1) + "\n"
    write_file(RUN + "/boot.json", text.encode("ascii"), 0o644)


def main(arguments: List[str]) -> int:
    """Join, or say why not and power off. Exit code 0 or 1."""
    try:
        node = read_node(*arguments[:1])
    except (OSError, ValueError, KeyError, TypeError) as error:
        say_on_console(f"boot: node.json: {error!r}")
        power_off()
        return 1
    outcome = join(node, Patience(node.give_up_after - uptime()))
    keep(node, outcome)
    if outcome.failure is None:
        report_success(node, outcome)
        return 0
    say_on_console(f"boot: {outcome.failure}")
    report_failure(node, outcome)
    power_off()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
