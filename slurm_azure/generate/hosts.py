"""Lines for the head node's /etc/hosts, for releases that look up nodes which are not there yet (`Traits.kills_by_name`).

Slurm learns the real address of a node when it registers, and takes that from then on; until then, and after power-down, it
has the name alone. The address here only has to end the look-up, and must lead nowhere. NodeAddr in the node line would not do:
slurmctld puts the name back in its place at each power-down (22.05: src/slurmctld/power_save.c).
"""

from __future__ import annotations

from slurm_azure.config import Config
from slurm_azure.hostlist import expand

NOWHERE = "233.252.0.1"
"""An address of MCAST-TEST-NET (RFC 6676), which is nobody's. TCP has no multicast: Linux refuses to connect (ENETUNREACH) at
once and sends nothing. A unicast address would be asked over the network, or be a slurmd's: 127.0.0.1 that of the head node."""

_OURS = "# slurm-azure"


def hosts_file(there: str, config: Config, *, needed: bool = True) -> str:
    """The text of a hosts file (man 5 hosts) that is `there` now, with a line for each node of `config` or, if none is
    `needed`, without any: what other lines say, also of our nodes, stays as it is."""
    others = [line for line in there.splitlines() if not line.endswith(_OURS)]
    known = {name for line in others for name in line.partition("#")[0].split()[1:]}
    names = [name for pool in config.pools.values() for name in expand(pool.nodes)] if needed else []
    ours = [f"{NOWHERE} {name} {_OURS}" for name in names if name not in known]
    return "".join(f"{line}\n" for line in [*others, *ours])
