"""A day of one job for each node: the slurmctld in miniature, and what became of the jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from slurm_azure.hostlist import fold
from slurm_azure.model import NodeName, SlurmNode
from slurm_azure.slurm.scheduler import Job, Tell
from tests.support.slurmctld import SimJob, Slurmctld


class PowerSaving:
    """Wakes each node of `names` until its job of `job_seconds` has run through on it once, then puts it to sleep at once.

    `clock` in seconds; `hook` runs a hook (kind, hostlist); `done` are the nodes whose jobs have run, `requeued` counts the
    jobs that lost their node. A node that is lost while its job runs is in `killed`. `reasons` are those shown with DOWN.
    """

    def __init__(
        self,
        names: Sequence[str],
        clock: Callable[[], float],
        hook: Callable[[str, str], None],
        job_seconds: float,
        resume_timeout: float,
        suspend_timeout: float = 30.0,
    ) -> None:
        self.slurmctld = Slurmctld(
            fold(names),
            clock,
            lambda kind, nodes, resume_file: hook(kind, nodes),
            suspend_time=0.0,
            resume_timeout=resume_timeout,
            suspend_timeout=suspend_timeout,
            slurmd_timeout=0.0,
            requeue_delay=0.0,
        )
        self._jobs = {job.nodes[0]: job for job in self.slurmctld.submit_each(fold(names), job_seconds)}
        self.killed: list[NodeName] = []

    def step(self, ready: Collection[str]) -> None:
        """A turn of slurmctld; `ready` are the nodes whose slurmd runs."""
        running = {name: job for name, job in self._jobs.items() if job.state == "RUNNING"}
        self.slurmctld.step(ready)
        self.killed += [name for name, job in running.items() if not job.ended and job.state != "RUNNING"]

    @property
    def done(self) -> set[NodeName]:
        return {name for name, job in self._jobs.items() if job.state == "COMPLETED"}

    @property
    def requeued(self) -> int:
        return sum(job.restarts for job in self._jobs.values())

    @property
    def reasons(self) -> list[str]:
        return [reason for what, names, reason, _ in list(self.slurmctld.told) if what is Tell.DOWN for _ in names]

    def asleep(self) -> bool:
        """Whether all jobs have run and all nodes are off, none of them down."""
        return self.slurmctld.over() and self.slurmctld.asleep()

    def unfinished(self) -> dict[str, str]:
        """The nodes whose jobs have not run, and what they are doing."""
        seen = self.nodes(list(self._jobs))
        return {name: self._words(job, seen[name]) for name, job in self._jobs.items() if not job.ended}

    @staticmethod
    def _words(job: SimJob, node: SlurmNode) -> str:
        return f"{job.state}: {node.power} {'down' if node.down else ''} {node.reason}"

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        return self.slurmctld.nodes(names)

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        return self.slurmctld.tell(what, names, reason)

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        return self.slurmctld.jobs(names)

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        return self.slurmctld.tell_jobs(jobs, comment, delay)

    def version(self) -> tuple[int, int]:
        return self.slurmctld.version()
