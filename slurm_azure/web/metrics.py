"""The daemon's metrics: every series it can ever export is known when it starts.

Names and units follow Prometheus' own rules (prometheus.io, "Metric and label naming"): base units, `_total` for
counters, no label whose values are not a closed list or the configuration's pools. Nothing is labelled by node, job,
user or free text. All methods may be called from any thread.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from slurm_azure.azure.cloud import Call
from slurm_azure.model import Blame, Failure, FailureReason, PoolName, RequestKind
from slurm_azure.web.gauges import NAMESPACE, OTHER, StateCollector
from slurm_azure.web.state import ClusterState

_MINUTES = (1, 5, 15, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1800)  # a VM of Azure boots in minutes
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STEPS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class ReleaseReason(StrEnum):
    """Why a VM had to go."""

    SUSPEND = "suspend"  # Slurm powered the node down
    FAILED = "failed"  # its launch failed (node_failures_total says why)
    REPLACED = "replaced"  # its launch failed, and another one followed without Slurm's noticing
    CANCELLED = "cancelled"  # the job it was for is over
    KEPT = "kept"  # Slurm powered the node down; its VM is stopped and kept
    UNWANTED = "unwanted"  # Slurm did not want the node, or its pool is configured no more


class Outcome(StrEnum):
    """How a call to Azure ended."""

    OK = "ok"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    FORBIDDEN = "forbidden"


class StageName(StrEnum):
    """The stages of a launch that are timed, each from the end of the one before (`accepted` from the launch's planning);
    `total` from planning to joined, `gone` from release to Azure's word that the VM is not there."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    JOINED = "joined"
    TOTAL = "total"
    GONE = "gone"


class OrphanKind(StrEnum):
    """What may be there without belonging to anything."""

    VM = "vm"
    INTERFACE = "interface"
    DISK = "disk"


class BootStep(StrEnum):
    """What a node does at its boot until it joins (cloud-init/join.py), as its boot report names it."""

    HOST_NAME = "host-name"
    HOSTS = "hosts"
    METADATA = "metadata"
    MUNGE_KEY = "munge-key"
    MUNGED = "munged"
    SCONTROL = "scontrol"
    MOUNTS = "mounts"
    SLURMD = "slurmd"


def _known(value: str, closed: type[StrEnum]) -> str:
    """`value` if it is on the list, else `other`: a label never grows beyond its list."""
    return value if value in closed._value2member_map_ else OTHER


class Metrics:
    """All of the daemon's metrics in a registry of their own. `pools` are the names of the configured pools."""

    def __init__(self, version: str, pools: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # process-wide: no `_created` series beside each counter
        self.registry = CollectorRegistry()
        self._state = StateCollector()
        self.registry.register(self._state)
        ProcessCollector(registry=self.registry)
        self._make_flow()
        self._make_self(version)
        self.set_pools(pools)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)

    def _make_flow(self) -> None:
        self._requests = self._counter("requests", "Runs of the hooks that were taken in.", "kind")
        self._requested_nodes = self._counter("requested_nodes", "Nodes named by these requests.", "kind")
        self._launches = self._counter("launches", "Attempts to give a node a VM.", "pool")
        self._joined = self._counter("nodes_joined", "Launches whose node came up in Slurm.", "pool")
        self._released = self._counter("nodes_released", "VMs that had to go.", "pool", "reason")
        self._retries = self._counter("retries", "Launches that follow a failed one of the same wake-up.", "pool")
        self._failures = self._counter("node_failures", "Launches that failed.", "pool", "reason")
        self._blamed = self._counter("blamed_failures", "Launches that failed, by whose affair it is.", "pool", "blame")
        self._consoles = self._counter("console_logs", "Serial console logs read after a boot had failed.")
        self._found = self._counter("orphans_found", "What was there without belonging to anything.", "kind")
        self._removed = self._counter("orphans_removed", "What of it has gone.", "kind")
        self._steps = self._histogram("boot_step_duration_seconds", "How long steps of nodes' boots took.", _STEPS, "step")
        self._stages = self._histogram(
            "stage_duration_seconds", "How long the stages of launches took.", _MINUTES, "pool", "stage"
        )
        self._calls = self._counter("arm_requests", "Calls to Azure by how they ended.", "call", "outcome")
        self._call_seconds = self._histogram("arm_request_duration_seconds", "How long calls to Azure took.", _SECONDS, "call")

    def _make_self(self, version: str) -> None:
        self._ticks = self._histogram("tick_duration_seconds", "How long ticks took that reached their end.", _SECONDS)
        self._tick_failures = self._counter("tick_failures", "Ticks that did not reach their end.")
        self._last_tick = self._own_gauge("tick_last_success_timestamp_seconds", "When a tick last reached its end.")
        self._reload_ok = self._own_gauge(
            "config_last_reload_successful", "0 if the configuration in use is older than its file."
        )
        self._reload_ok.set(1)  # without a configuration that can be read the daemon would not run
        self._last_reload = self._own_gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in use was read."
        )
        info = Gauge("build_info", "What runs; always 1.", ["version", "python"], namespace=NAMESPACE, registry=self.registry)
        info.labels(version, platform.python_version()).set(1)
        for orphan in OrphanKind:
            self._found.labels(orphan)
            self._removed.labels(orphan)
        for step in BootStep:
            self._steps.labels(step)
        for kind in RequestKind:
            self._requests.labels(kind)
            self._requested_nodes.labels(kind)
        for call in Call:
            self._call_seconds.labels(call)
            for outcome in Outcome:
                self._calls.labels(call, outcome)

    def _own_gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, namespace=NAMESPACE, registry=self.registry)

    def set_pools(self, pools: Iterable[str]) -> None:
        """The configured pools, at start and after a reload; their series begin at 0.

        Counters of a pool that is configured no more stay until the daemon starts anew.
        """
        self._state.pools = tuple(PoolName(pool) for pool in pools)
        for pool in self._state.pools:
            self._launches.labels(pool)
            self._retries.labels(pool)
            self._joined.labels(pool)
            for blame in Blame:
                self._blamed.labels(pool, blame)
            for reason in ReleaseReason:
                self._released.labels(pool, reason)
            for failure in FailureReason:
                self._failures.labels(pool, failure)
            for stage in StageName:
                self._stages.labels(pool, stage)

    def _pool(self, pool: str) -> str:
        return pool if pool in self._state.pools else OTHER

    def show(self, state: ClusterState) -> None:
        """Make `state` what the next scrapes show."""
        self._state.state = state

    def count_request(self, kind: RequestKind, nodes: int) -> None:
        """A run of a hook was taken in; it named `nodes` nodes."""
        self._requests.labels(kind).inc()
        self._requested_nodes.labels(kind).inc(nodes)

    def count_launch(self, pool: str, attempt: int = 1) -> None:
        """A launch was planned: the first of a wake-up, or a further one."""
        self._launches.labels(self._pool(pool)).inc()
        if attempt > 1:
            self._retries.labels(self._pool(pool)).inc()

    def count_joined(self, pool: str) -> None:
        """A launch's node came up in Slurm."""
        self._joined.labels(self._pool(pool)).inc()

    def count_release(self, pool: str, reason: str) -> None:
        """A VM has to go, for one of ReleaseReason."""
        self._released.labels(self._pool(pool), _known(reason, ReleaseReason)).inc()

    def count_failure(self, pool: str, failure: Failure) -> None:
        """A launch failed."""
        self._failures.labels(self._pool(pool), failure.reason).inc()
        self._blamed.labels(self._pool(pool), failure.blame).inc()

    def count_console(self) -> None:
        """A console log was looked for."""
        self._consoles.inc()

    def count_orphans(self, kind: OrphanKind, found: int = 0, removed: int = 0) -> None:
        """So many things were found that belong to nothing, and so many of those are not there any more."""
        self._found.labels(kind).inc(found)
        self._removed.labels(kind).inc(removed)

    def observe_boot(self, steps: Iterable[tuple[str, float]]) -> None:
        """A node told of its boot: steps (of BootStep) and seconds."""
        for step, seconds in steps:
            self._steps.labels(_known(step, BootStep)).observe(seconds)

    def count_azure(self, call: str, outcome: str, seconds: float) -> None:
        """A call to Azure (one of cloud.Call) ended as one of Outcome after `seconds`."""
        name = _known(call, Call)
        self._calls.labels(name, _known(outcome, Outcome)).inc()
        self._call_seconds.labels(name).observe(seconds)

    def observe_stage(self, pool: str, stage: str, seconds: float) -> None:
        """A launch's stage (one of StageName) took `seconds`."""
        self._stages.labels(self._pool(pool), _known(stage, StageName)).observe(seconds)

    def tick_done(self, seconds: float, at: float) -> None:
        """A tick took `seconds` and reached its end at `at` (seconds since the epoch)."""
        self._ticks.observe(seconds)
        self._last_tick.set(at)

    def tick_failed(self) -> None:
        """A tick did not reach its end."""
        self._tick_failures.inc()

    def reload_done(self, ok: bool, at: float) -> None:
        """The configuration was read at `at` (seconds since the epoch), at start or on SIGHUP.

        Not ok: the file has mistakes, and the old configuration stays in use.
        """
        self._reload_ok.set(float(ok))
        if ok:
            self._last_reload.set(at)
