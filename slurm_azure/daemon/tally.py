"""What the loop tells Prometheus: each transition of a launch counted once, the state of a round shown as a whole."""

from __future__ import annotations

from collections import Counter

from slurm_azure.daemon.calls import Result
from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.world import World
from slurm_azure.errors import CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import Launch, NodeName, PoolName, RequestKind, SlurmNode, Stage, VmState
from slurm_azure.web.metrics import Metrics, Outcome, StageName
from slurm_azure.web.state import ClusterState, NodeState

_STATE_OF = {
    Stage.PLANNED: NodeState.PLANNED,
    Stage.CREATING: NodeState.CREATING,
    Stage.RUNNING: NodeState.RUNNING,
    Stage.JOINED: NodeState.JOINED,
}


class Tally:
    """Counts and gauges of the daemon, and whether it is well."""

    def __init__(self, metrics: Metrics, stale_after: float = 120.0) -> None:
        self.metrics = metrics
        self.stale_after = stale_after
        self.slurm_ok = self.azure_ok = False
        self.journal_ok = True
        self.last_round = 0.0

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
        self.azure_ok = outcome in (Outcome.OK, Outcome.REFUSED, Outcome.THROTTLED)
        self.metrics.count_azure(call, outcome, result.seconds)

    def launch(self, before: Launch | None, after: Launch) -> None:
        """A launch has changed: count the stages it has passed."""
        pool = after.pool
        if before is None:
            self.metrics.count_launch(pool)
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
        if _new(before, after, "gone_at"):
            self._stage(pool, StageName.GONE, after.released_at, after.gone_at)
        if after.failure is not None and _new(before, after, "failure"):
            self.metrics.count_failure(pool, after.failure.reason)

    def _stage(self, pool: PoolName, stage: StageName, begin: float | None, end: float | None) -> None:
        if begin is not None and end is not None:
            self.metrics.observe_stage(pool, stage, max(0.0, end - begin))

    def round_done(self, world: World, settings: Settings, spool_depth: int, seconds: float, now: float) -> None:
        """A round is over: show the state it left."""
        self.last_round = now
        self.metrics.show(cluster_state(world, settings, spool_depth, now, self.slurm_ok, self.azure_ok))
        self.metrics.tick_done(seconds, now)


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


def cluster_state(
    world: World, settings: Settings, spool_depth: int, now: float, slurm_ok: bool, azure_ok: bool
) -> ClusterState:
    """The gauges of one round."""
    sizes = Counter(world.pool_of.values())
    nodes: Counter[tuple[PoolName, NodeState]] = Counter()
    pending: dict[PoolName, float] = {}
    cost: Counter[PoolName] = Counter()
    for launch in world.unfinished():
        if launch.live or launch.node not in world.live:
            nodes[launch.pool, _STATE_OF.get(launch.stage, NodeState.RELEASING)] += 1
        if launch.live and launch.joined_at is None:
            pending[launch.pool] = max(pending.get(launch.pool, 0.0), now - launch.planned_at)
        if launch.accepted_at is not None and launch.price is not None:
            cost[launch.pool] += launch.price  # type: ignore[assignment]
    for pool in _held(world):
        nodes[pool, NodeState.FAILED] += 1
    for pool, size in sizes.items():
        nodes[pool, NodeState.OFF] = size - sum(nodes[pool, state] for state in NodeState if state is not NodeState.OFF)
    vms: Counter[tuple[PoolName, VmState]] = Counter((vm.pool, vm.state) for group in world.vms.values() for vm in group)
    orphans = sum(len(names) for names in world.stray_since.values())
    timeouts = {name: pool.resume_timeout for name, pool in settings.policy.pools.items()}
    return ClusterState(nodes, vms, orphans, spool_depth, pending, cost, timeouts, slurm_ok, azure_ok)


def _held(world: World) -> list[PoolName]:
    """The pools of nodes without a launch that we keep down for a while."""

    def held(name: NodeName, node: SlurmNode) -> bool:
        return node.down and node.ours_to_resume and name not in world.live and name not in world.dying

    return [world.pool_of[name] for name, node in world.slurm.items() if name in world.pool_of and held(name, node)]
