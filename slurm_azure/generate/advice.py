"""What must stand in slurm.conf itself: keys that may stand there once only, so an included file cannot bring them.

Each comes with its reason. Lines that begin with `#` may be left out; all others are needed.
Sources: man slurm.conf and https://slurm.schedmd.com/power_save.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slurm_azure.config import Config
from slurm_azure.generate.doubts import seconds
from slurm_azure.generate.gres import read_gres
from slurm_azure.slurm.versions import Traits

INCLUDE_FILE = "azure-burst.conf"

_HEADER = """\
# For slurm.conf of cluster {cluster}, Slurm {year}.{month:02d}. Where slurm.conf has one of these keys already, merge the
# values by hand (lists are separated by commas): a key may stand once only.
"""

Line = tuple[str, str]  # why, and the line


def advice(config: Config, traits: Traits, hooks_dir: Path) -> str:
    """The lines for slurm.conf with their reasons; the programs are those in `hooks_dir`."""
    year, month = traits.release
    lines = [
        *_programs(hooks_dir),
        *_times(config, traits),
        *_states(traits),
        *_network(traits),
        *_jobs(traits),
        *_rest(config, traits),
    ]
    text = "\n".join(f"# {why}\n{line}" for why, line in lines)
    return _HEADER.format(cluster=config.cluster, year=year, month=month) + "\n" + text + "\n"


def _programs(hooks_dir: Path) -> Iterator[Line]:
    yield "Note the request and return at once; the daemon does the work.", f"ResumeProgram={hooks_dir / 'resume'}"
    yield "Likewise for nodes that have been idle.", f"SuspendProgram={hooks_dir / 'suspend'}"
    yield "Likewise for nodes that have not come in time: their VMs must go.", f"ResumeFailProgram={hooks_dir / 'resume-fail'}"


def _times(config: Config, traits: Traits) -> Iterator[Line]:
    parts = config.partitions.values()
    resume = max(seconds(part.resume_timeout) for part in parts)
    suspend = max(seconds(part.suspend_timeout) for part in parts)
    if traits.partition_timers:
        yield "Other nodes are never powered down; the Azure partitions have their own time.", "SuspendTime=INFINITE"
    else:
        idle = max(seconds(part.suspend_time) for part in parts)
        yield "This release has one time for all nodes: name all others in SuspendExcNodes!", f"SuspendTime={idle}"
    yield (
        "slurmctld reads the cluster's own value in places, not the partition's (deferred launches).",
        f"ResumeTimeout={resume}",
    )
    yield "Likewise.", f"SuspendTimeout={suspend}"
    yield "No limit: the daemon keeps to Azure's limits itself; Slurm's would hold large jobs up for minutes.", "ResumeRate=0"
    yield "No limit: an idle VM costs money until it is suspended.", "SuspendRate=0"


def _states(traits: Traits) -> Iterator[Line]:
    yield "A node that comes late, or after it was set down, returns to service by itself.", "ReturnToService=2"
    words = ["enable_configless"]
    why = "Nodes fetch slurm.conf from slurmctld."
    if traits.cloud_reg_addrs:
        words.append("cloud_reg_addrs")
        why += " Their addresses are learnt when they register: no DNS is needed."
    if traits.strict_power_interval:
        words.append("power_save_interval=5")
        why += " Since 24.05 a node may be overlooked until the next interval (10 s by default)."
    yield f"{why} Leave idle_on_node_suspend out: the daemon heals its own nodes.", f"SlurmctldParameters={','.join(words)}"
    if traits.private_data_cloud:
        yield "Without it this release hides powered-down nodes, from the daemon too.", "PrivateData=cloud"


def _network(traits: Traits) -> Iterator[Line]:
    if traits.flat_tree:
        yield "Nodes do not know each other's addresses in this release: slurmctld talks to each itself.", "TreeWidth=65533"
    yield "Longer for slow links (VPN) and many nodes at once.", "#MessageTimeout=30"
    yield "A first prolog on a fresh VM takes longer than the default 10 s.", "#BatchStartTimeout=60"


def _jobs(traits: Traits) -> Iterator[Line]:
    words = []
    if traits.requeue_on_resume_failure:
        words.append("requeue_on_resume_failure")
    if traits.requeue_delay:
        words.append("requeue_delay=10")
    if words:
        yield "Jobs whose nodes failed to boot start again elsewhere, and soon.", f"SchedulerParameters={','.join(words)}"
    yield (
        "Multi-node batch jobs begin when all nodes are up, not with the first; a failed prolog holds no job.",
        ("#SchedulerParameters=sbatch_wait_nodes,nohold_on_prolog_fail"),
    )


def _rest(config: Config, traits: Traits) -> Iterator[Line]:
    kinds = dict.fromkeys(read_gres(text).name for pool in config.pools.values() for text in pool.gres)
    if kinds:
        yield "Resources the nodes have; their devices are in gres.conf.", f"GresTypes={','.join(kinds)}"
    why = "The nodes and partitions; the file stands beside slurm.conf."
    if not traits.pushes_includes:
        why += " This release does not hand included files to configless nodes: paste its lines here instead."
    yield why, f"Include {INCLUDE_FILE}"
