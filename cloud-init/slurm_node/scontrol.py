"""Step `scontrol`: a slurm.conf for scontrol alone; and what is told to slurmctld with it."""

import os
import time
from typing import List, Tuple

from slurm_node.node import Node
from slurm_node.outcome import Outcome, Patience
from slurm_node.system import run, say, write_file

RUN = "/run/slurm-azure"
CONFIG = RUN + "/slurm.conf"
TELL_TIMEOUT = 20.0
TELL_PAUSES = (2.0, 5.0, 0.0)


def configure_scontrol(node: Node, patience: Patience, outcome: Outcome) -> None:
    """In a place of its own, where slurmd does not look: slurmd's comes from slurmctld."""
    os.makedirs(RUN, exist_ok=True)
    write_file(CONFIG, slurm_conf(node).encode("ascii"), 0o644)


def slurm_conf(node: Node) -> str:
    """The least that scontrol needs to reach slurmctld (man slurm.conf)."""
    lines = [f"ClusterName={node.cluster}", "AuthType=auth/munge", f"SlurmctldPort={node.controllers[0].port}"]
    lines += [f"SlurmctldHost={controller.host}({controller.host})" for controller in node.controllers]
    if any(":" in controller.host for controller in node.controllers):
        lines.append("CommunicationParameters=EnableIPv6")
    return "\n".join(lines) + "\n"


def scontrol(arguments: List[str], timeout: float = TELL_TIMEOUT) -> Tuple[int, str]:
    """Run scontrol against this cluster's slurmctld; its exit code and output."""
    return run(["scontrol", *arguments], timeout, dict(os.environ, SLURM_CONF=CONFIG))


def tell_failure(node: Node, reason: str) -> bool:
    """Set the node down with `reason`, so that its jobs are requeued now. False = slurmctld could not be told."""
    if not os.path.exists(CONFIG):
        say("slurmctld cannot be told: munge does not run yet")
        return False
    for pause in TELL_PAUSES:
        code, output = scontrol(["update", f"nodename={node.name}", "state=down", f"reason={reason}"])
        if code == 0:
            return True
        say(f"slurmctld could not be told: {output}")
        time.sleep(pause)
    return False
