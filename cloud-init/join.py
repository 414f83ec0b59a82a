#!/usr/bin/env python3
"""Makes a Slurm node of a freshly booted VM. Run as root by cloud-init; reads /etc/slurm-azure/node.json.

Steps in a fixed order, slurmd last; the first that fails ends it. Then slurmctld is told why (`sinfo -R` shows
`slurm-azure: boot: STEP: CAUSE`) and the VM powers off; the daemon on the head node deletes it. What was done is left in
/run/slurm-azure/boot.json; all that is printed is in the console log and in /var/log/cloud-init-output.log.

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
from slurm_node.outcome import Outcome, Patience, StepFailed, one_line, uptime
from slurm_node.scontrol import RUN, configure_scontrol, tell_failure
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


def join(node: Node, patience: Patience, steps: Tuple[Step, ...] = STEPS) -> Outcome:
    """Do the steps in order, until one fails."""
    outcome = Outcome()
    for name, step in steps:
        begun = time.monotonic()
        try:
            step(node, patience, outcome)
        except Exception as error:
            # Whatever it is, somebody has to hear of it: a node that just stays away is what must not be.
            cause = str(error) if isinstance(error, (StepFailed, OSError)) else f"{type(error).__name__}: {error}"
            outcome.failure = one_line(f"{name}: {cause}")
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


def report_success(node: Node, outcome: Outcome) -> None:
    """Nothing needs to be told: slurmctld knows by slurmd's registration."""
    say(f"node {node.name} joined {uptime():.1f} s after its boot")


def report_failure(node: Node, cause: str) -> None:
    """On the console in any case, and to slurmctld as far as munge runs already."""
    reason = f"slurm-azure: boot: {cause}"
    say_on_console(f"boot: {cause}")
    tell_failure(node, reason)


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
    report_failure(node, outcome.failure)
    power_off()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
