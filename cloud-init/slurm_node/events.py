"""What Azure's Scheduled Events call for: pure decisions. Times are in seconds since 1970.

Source: "Azure Metadata Service: Scheduled Events for Linux VMs" (Microsoft Learn). A Spot VM hears of its end some 30 s
ahead (Preempt, best effort), of a Reboot 15 min, of a Redeploy 10 min, of its deletion 5 to 15 min where that is set up
(Terminate). An event starts at its NotBefore, or when it is acknowledged; hardware that fails is not announced: its event
is there as Started. A Freeze is a pause of a few seconds, and it is neither acted upon nor acknowledged: acknowledged it
would come at once, and what runs here gains nothing by that.
"""

import time
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

PREEMPT, FREEZE = "Preempt", "Freeze"
MAINTENANCE = ("Reboot", "Redeploy", "Terminate")
ACTED_UPON = (PREEMPT, *MAINTENANCE)

# How long before its end a node is done with signals (Spot), and with jobs (maintenance).
SIGNALS_END, JOBS_END = 8.0, 60.0
# From the requeue to the acknowledgement: jobs are killed and epilogs run, or slurmctld waits for both in vain.
SETTLES = 1.5
LOOK_EVERY = 15.0
# slurmctld is told as long as there may be a VM that tells.
TRY_UNTIL = 60.0

SEEN, DRAINED, SIGNALLED, REQUEUED, REPORTED, DONE = "seen", "drained", "signalled", "requeued", "reported", "done"
DRAIN, SIGNAL, REQUEUE, LOOK, REPORT, ACKNOWLEDGE, RESUME, GIVE_UP = (
    "drain",
    "signal",
    "requeue",
    "look",
    "report",
    "acknowledge",
    "resume",
    "give up",
)


class Event(NamedTuple):
    """An event that concerns this VM. `not_before` is None once it has started."""

    id: str
    kind: str
    not_before: Optional[float]


class Handling(NamedTuple):
    """How far an event has been dealt with. `end` is when it takes the VM; `stage` was reached at `since`; `looked` is when the
    jobs were last looked at; `jobs` were sent the signal; `left` is what could not be requeued."""

    id: str
    kind: str
    end: float
    stage: str
    since: float
    started: bool = False
    looked: float = 0.0
    jobs: Tuple[str, ...] = ()
    left: Tuple[str, ...] = ()

    @property
    def notice(self) -> str:
        """The reason without its time, which Azure may change."""
        if self.kind == PREEMPT:
            return "slurm-azure: evicted: Azure takes this Spot VM back at "
        return f"slurm-azure: maintenance: Azure announces {self.kind} not before "

    @property
    def reason(self) -> str:
        """Why the node is drained, as `sinfo -R` shows it and the daemon on the head node reads it."""
        return self.notice + time.strftime("%H:%M:%SZ", time.gmtime(self.end))


class Situation(NamedTuple):
    """This node: whether it is one of the cluster's by now, and what its jobs are sent before their end."""

    joined: bool
    signal: str = "none"
    grace: float = 0.0


def read_events(document: Dict[str, Any], vm: str) -> List[Event]:
    """The events of a document that concern `vm`: in an availability set each VM hears of all. Raises ValueError, KeyError or
    TypeError on what is no such document."""
    found = []
    for event in document["Events"]:
        if vm.lower() in [str(name).lower() for name in event["Resources"]]:
            started = event["EventStatus"] == "Started"
            found.append(Event(event["EventId"], event["EventType"], None if started else _seconds(event["NotBefore"])))
    return found


def begin(event: Event, now: float) -> Handling:
    """A new event."""
    end = _end(event, now)
    return Handling(event.id, event.kind, end, SEEN, now, started=event.not_before is None)


def follow(handling: Handling, event: Optional[Event], now: float) -> Handling:
    """The same event as it is announced now; Azure may put it off or start it early."""
    if event is None or handling.started:
        return handling
    if event.not_before is None:
        return handling._replace(started=True, end=min(handling.end, now))
    return handling._replace(end=_end(event, now))


def decide(handling: Handling, announced: bool, now: float, node: Situation) -> Optional[str]:
    """The next thing to do about an event, None for nothing at present. `announced` is whether Azure still shows it.

    What is done takes it to the next stage; what cannot be done is asked for again, until there is no VM any more.
    """
    if is_over(handling):
        return None
    if not announced and not handling.started and now < handling.end:
        return RESUME
    if now > handling.end + TRY_UNTIL:
        return GIVE_UP
    if handling.stage == SEEN:
        return _at_first(handling, node)
    if handling.stage == REPORTED:
        return ACKNOWLEDGE
    if handling.stage == REQUEUED:
        return _at_last(handling, now)
    return _preempt(handling, now, node) if handling.kind == PREEMPT else _maintain(handling, now)


def is_over(handling: Handling) -> bool:
    """Whether nothing is to be done about it any more, or ever was."""
    return handling.stage == DONE or handling.kind not in ACTED_UPON


def _at_first(handling: Handling, node: Situation) -> Optional[str]:
    if node.joined:
        return DRAIN
    # Maintenance leaves the time to join first; a boot that Azure itself cuts off will not come to an end.
    return REPORT if handling.kind == PREEMPT else None


def _preempt(handling: Handling, now: float, node: Situation) -> Optional[str]:
    last = handling.end - SIGNALS_END
    if handling.stage == DRAINED:
        return SIGNAL if node.signal != "none" and now < last else REQUEUE
    return REQUEUE if now >= min(handling.since + node.grace, last) else None


def _maintain(handling: Handling, now: float) -> Optional[str]:
    if handling.started or now >= handling.end - JOBS_END:
        return REQUEUE
    return LOOK if now >= handling.looked + LOOK_EVERY else None


def _at_last(handling: Handling, now: float) -> Optional[str]:
    if handling.left and handling.kind != PREEMPT:
        return None  # a job that cannot run again keeps the time that is left
    return ACKNOWLEDGE if now >= handling.since + SETTLES else None


def _end(event: Event, now: float) -> float:
    """When it takes the VM. What is only scheduled lies ahead, even where this VM's clock, fast as it is, says otherwise."""
    return now if event.not_before is None else max(now, event.not_before)


def _seconds(text: str) -> float:
    parsed = parsedate_tz(text)
    if parsed is None:
        raise ValueError(f"NotBefore is no date: {text!r}")
    return float(mktime_tz(parsed))
