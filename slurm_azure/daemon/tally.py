"""What the loop tells Prometheus: each transition of a launch counted once, the state of a round shown as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from slurm_azure.daemon.calls import Result
from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.standing import cluster_state
from slurm_azure.daemon.world import World
from slurm_azure.errors import CreateRefused, CredentialRefused, Throttled
from slurm_azure.lifecycle.record import Facts
from slurm_azure.model import Launch, Leftover, LeftoverKind, PoolName, RequestKind
from slurm_azure.slurm.boot_report import parse_boot_report
from slurm_azure.web.metrics import Metrics, OrphanKind, Outcome, StageName

_ORPHAN = {LeftoverKind.INTERFACE: OrphanKind.INTERFACE, LeftoverKind.DISK: OrphanKind.DISK}

_VITAL = frozenset({"create", "delete", "list", "read"})
"""Calls that tell whether Azure answers; a role of an older release may lack the right to others."""


class Tally:
    """Counts and gauges of the daemon, and whether it is well."""

    def __init__(self, metrics: Metrics, stale_after: float = 120.0) -> None:
        self.metrics = metrics
        self.stale_after = stale_after
        self.slurm_ok = self.azure_ok = False
        self.journal_ok = True
        self.last_round = 0.0
        self._orphans: dict[OrphanKind, frozenset[str]] = {}

    def health(self, now: float) -> tuple[bool, str]:
        """Whether the daemon does its work, and one line about it. Azure or Slurm being away is not its fault."""
        if not self.journal_ok:
            return False, "the journal cannot be written"
        if now - self.last_round > self.stale_after:
            return False, f"no round for {now - self.last_round:.0f} s"
        return True, "well" + ("" if self.slurm_ok else "; Slurm does not answer") + (
            "" if self.azure_ok else "; Azure does not answer"
        )

    def request(self, kind: RequestKind, nodes: int) -> None:
        """A request was taken in."""
        self.metrics.count_request(kind, nodes)

    def journal_works(self, ok: bool) -> None:
        """Whether the last turn could be recorded."""
        self.journal_ok = ok
        if not ok:
            self.metrics.tick_failed()

    def slurm_answers(self, ok: bool) -> None:
        """Whether Slurm answered when it was last asked."""
        self.slurm_ok = ok

    def call(self, call: str, result: Result) -> None:
        """A call to Azure has ended."""
        outcome = _outcome(result.error)
        if call in _VITAL:
            self.azure_ok = outcome in (Outcome.OK, Outcome.REFUSED, Outcome.THROTTLED)
        self.metrics.count_azure(call, outcome, result.seconds)

    def launch(self, before: Launch | None, after: Launch) -> None:
        """A launch has changed: count the stages it has passed."""
        pool = after.pool
        if before is None:
            self.metrics.count_launch(pool, after.attempt)
        if _new(before, after, "accepted_at"):
            self._stage(pool, StageName.ACCEPTED, after.planned_at, after.accepted_at)
        if _new(before, after, "running_at"):
            self._stage(pool, StageName.RUNNING, after.accepted_at, after.running_at)
        if _new(before, after, "joined_at"):
            self._stage(pool, StageName.JOINED, after.running_at, after.joined_at)
            self._stage(pool, StageName.TOTAL, after.planned_at, after.joined_at)
            self.metrics.count_joined(pool)
        if _new(before, after, "released_at"):
            self.metrics.count_release(pool, after.release_reason)
        if _new(before, after, "gone_at") and after.deallocated_at is None:  # one that was kept took its time
            self._stage(pool, StageName.GONE, after.released_at, after.gone_at)
        if after.failure is not None and _new(before, after, "failure"):
            self.metrics.count_failure(pool, after.failure)
        if _new(before, after, "console_at"):
            self.metrics.count_console()
        if after.boot and (before is None or before.boot != after.boot):
            report = parse_boot_report(after.boot)
            self.metrics.observe_boot(report.stages if report is not None else ())

    def _stage(self, pool: PoolName, stage: StageName, begin: float | None, end: float | None) -> None:
        if begin is not None and end is not None:
            self.metrics.observe_stage(pool, stage, max(0.0, end - begin))

    def leftovers(self, alone: Iterable[Leftover]) -> None:
        """All interfaces and disks that the latest look at Azure found to belong to nobody, once that is certain."""
        names: dict[OrphanKind, set[str]] = {kind: set() for kind in _ORPHAN.values()}
        for one in alone:
            names[_ORPHAN[one.kind]].add(one.name)
        for kind, found in names.items():
            self._orphans_are(kind, frozenset(found))

    def _orphans_are(self, kind: OrphanKind, names: frozenset[str]) -> None:
        """These belong to nobody now: count those that are new, and those that have gone."""
        before = self._orphans.get(kind, frozenset())
        self._orphans[kind] = names
        self.metrics.count_orphans(kind, len(names - before), len(before - names))

    def round_done(self, world: World, settings: Settings, spool_depth: int, seconds: float, facts: Facts) -> None:
        """A round is over, and took `seconds`: show the state it left. `facts` are those it came to."""
        self.last_round = facts.now
        self._orphans_are(OrphanKind.VM, _strays(world, settings.policy.list_lag))
        leftovers = {kind: len(self._orphans.get(label, ())) for kind, label in _ORPHAN.items()}
        reachable = self.slurm_ok, self.azure_ok
        state = cluster_state(world, settings, spool_depth, facts.now, *reachable, closed=facts.closed, leftovers=leftovers)
        self.metrics.show(state)
        self.metrics.tick_done(seconds, facts.now)


def _strays(world: World, lag: float) -> frozenset[str]:
    """VMs without a launch that have been listed for longer than a list may lag behind."""
    seen_at = world.list_at or 0.0
    strays = ((name, since) for group in world.stray_since.values() for name, since in group.items())
    return frozenset(name for name, since in strays if seen_at - since >= lag)


def _new(before: Launch | None, after: Launch, moment: str) -> bool:
    """Whether a moment of the launch has been observed just now."""
    return getattr(after, moment) is not None and (before is None or getattr(before, moment) is None)


def _outcome(error: Exception | None) -> Outcome:
    match error:
        case None:
            return Outcome.OK
        case CreateRefused():
            return Outcome.REFUSED
        case Throttled():
            return Outcome.THROTTLED
        case CredentialRefused():
            return Outcome.FORBIDDEN
        case _:
            return Outcome.UNREACHABLE
