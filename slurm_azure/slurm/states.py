"""Node states as Slurm words them, and what its power saving means by them: two tables.

Slurm 20.11 writes `IDLE+CLOUD+POWER`, `IDLE#+CLOUD`, `DOWN*+CLOUD`; since 21.08 it is `IDLE+CLOUD+POWERED_DOWN`,
`ALLOCATED+CLOUD+NOT_RESPONDING+POWERING_UP` (man scontrol and sinfo, NODE STATE CODES; RELEASE_NOTES of 21.08). JSON has
the same words as lists, in lower case up to 22.05. Flags not known here are kept: a newer Slurm may have more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from slurm_azure.model import NodeName, Power, SlurmNode

_SYMBOLS = {
    "*": "NOT_RESPONDING",
    "~": "POWERED_DOWN",
    "#": "POWERING_UP",
    "%": "POWERING_DOWN",
    "!": "POWER_DOWN",
    "$": "MAINTENANCE",
    "@": "REBOOT_REQUESTED",
    "^": "REBOOT_ISSUED",
    "-": "PLANNED",
}
"""What Slurm may put behind a word (man sinfo, NODE STATE CODES)."""

_OTHER_WORDS = {
    "POWER": ("POWERED_DOWN",),  # 20.11
    "NO_RESPOND": ("NOT_RESPONDING",),
    "MAINT": ("MAINTENANCE",),
    "INVAL": ("INVALID_REG",),
    "ALLOC": ("ALLOCATED",),
    "MIX": ("MIXED",),
    "COMP": ("COMPLETING",),
    "POWER_DOWN_ASAP": ("POWER_DOWN", "POWER_DRAIN"),  # REST of 26.05
    "POWER_DOWN_FORCE": ("POWER_DOWN",),
    "DRAINED": ("IDLE", "DRAIN"),
    "DRAINING": ("ALLOCATED", "DRAIN"),
    "FAILING": ("ALLOCATED", "FAIL"),
}
"""Other words for the same flags: older releases, sinfo's short and combined forms."""

_LESS_THAN_CONFIGURED = ("Low RealMemory", "Low CPUs", "Low socket*core", "Low TmpDisk", "gres/")
"""How the reasons begin that slurmctld gives nodes that register with less than their node line says: 22.05.8, 24.11.5 and
26.05.5 say `Low RealMemory (reported:24105 < 90.00% of configured:100000)`, `Low socket*core*thread count, Low CPUs` and
`gres/gpu count reported lower than configured (1 < 2)`, each with DRAIN and INVALID_REG, and requeue the node's job."""

_BUSY = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})

_POWER: tuple[tuple[frozenset[str], frozenset[str], Power], ...] = (
    # all of these flags             none of these   means, because
    (frozenset({"POWERING_UP"}), frozenset(), Power.WAKING),
    # ... also with DOWN (failed while booting, not powered down yet) and with POWER_DOWN (`power_down` of a booting node
    # does nothing until it has booted or timed out); Slurm's own order of symbols puts # before % and ~ as well.
    (frozenset({"POWERING_DOWN"}), frozenset(), Power.STOPPING),
    # ... also with POWERED_DOWN: 20.11 shows POWER and POWERING_DOWN together until SuspendTimeout is over.
    (frozenset({"POWERED_DOWN"}), frozenset(), Power.OFF),
    # ... also with POWER_UP (asked for, ResumeProgram has not been run yet), with POWER_DOWN (asked for once more, runs
    # SuspendProgram once more), with DOWN (ResumeTimeout, or we said so) and with NOT_RESPONDING (after `state=resume`).
    (frozenset({"POWER_DOWN"}), _BUSY, Power.STOPPING),
    # ... asked for, and no job holds it: SuspendProgram runs at the next pass. A booting node that `power_down_force` hits
    # looks like this for a second or two (IDLE+CLOUD+POWER_DOWN+NOT_RESPONDING): it must not be taken for one that is up.
    # With a job (POWER_DOWN_ASAP) the node goes on working: that is UP.
    (frozenset(), frozenset(), Power.UP),
)
"""First row that fits wins."""


def read_state(text: str) -> tuple[Power, frozenset[str]]:
    """What `State=` of scontrol (`IDLE+CLOUD+POWERED_DOWN`) says: the power state, and the flags in today's words."""
    return _read(tuple(text.split("+")))


def read_flags(words: Iterable[str]) -> tuple[Power, frozenset[str]]:
    """The same for the list of words that Slurm's JSON has."""
    return _read(tuple(words))


def read_node(name: str, state: str, reason: str, comment: str = "") -> SlurmNode:
    """A node of the given `State=` text, reason and comment."""
    power, flags = read_state(state)
    if "DRAIN" in flags and reason.startswith(_LESS_THAN_CONFIGURED):
        flags |= {"INVALID_REG"}  # 20.11 has no such flag
    return SlurmNode(NodeName(name), power, flags, reason, comment)


def registration_fault(node: SlurmNode) -> str | None:
    """Why slurmctld did not take the node as it registered, in its own words: it has less memory, CPUs or GRES than its node
    line says. Nothing but a power-down heals that (`resume` is refused). None: nothing of the kind."""
    if "INVALID_REG" not in node.flags:
        return None
    return node.reason or "it registered with less than its node line says"


@lru_cache(maxsize=1024)  # 10,000 nodes show a dozen different texts
def _read(words: tuple[str, ...]) -> tuple[Power, frozenset[str]]:
    flags: set[str] = set()
    for word in words:
        bare = word.strip().upper()
        while bare and bare[-1] in _SYMBOLS:
            flags.add(_SYMBOLS[bare[-1]])
            bare = bare[:-1].rstrip()
        if bare:
            flags.update(_OTHER_WORDS.get(bare, (bare,)))
    power = next(power for has, lacks, power in _POWER if has <= flags and not lacks & flags)
    return power, frozenset(flags)
