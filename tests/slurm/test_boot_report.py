"""slurm_azure.slurm.boot_report against what the node itself writes, and against anything else."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slurm_node.outcome import Outcome
from slurm_node.report import boot_report

from slurm_azure.model import BootReport, LaunchId
from slurm_azure.slurm.boot_report import parse_boot_report
from slurm_azure.slurm.output import parse_nodes

RECORD = "NodeName=n1 CoresPerSocket=1  CPUAlloc=0 State=IDLE ThreadsPerCore=1 AllocTRES= Reason={reason} Comment={comment} \n"
SOME = (
    "slurm-azure boot=failed launch=3f2a seconds=12.3 stages=host-name:0.01,mounts:4.10 memory=7900 cpus=2 step=mounts cause=no"
)


def outcome(stages: dict[str, float], step: str = "", cause: str = "", launch: str = "3f2a") -> Outcome:
    """How a boot went."""
    made = Outcome(launch)
    made.stages.update(stages)
    if step:
        made.fail(step, cause)
    return made


def test_reads_a_boot_that_failed() -> None:
    """All that the format has."""
    assert parse_boot_report(SOME) == BootReport(
        LaunchId("3f2a"), False, 12.3, (("host-name", 0.01), ("mounts", 4.10)), "mounts", "no", 7900, 2
    )


steps = st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True)


@given(
    st.dictionaries(steps, st.floats(0, 9999), max_size=15),
    steps,
    st.text(max_size=400),
    st.from_regex(r"[0-9a-z]{1,12}", fullmatch=True),
    st.booleans(),
)
@example({}, "mounts", 'mount.nfs: "x" cause=y step=z slurm-azure boot=ok [root@2026] Reason=r', "1a", True)
def test_what_a_node_writes_is_what_the_daemon_reads(
    stages: dict[str, float], step: str, cause: str, launch: str, failed: bool
) -> None:
    """The node's own writer, through a record of `scontrol show nodes`: launch, stages, step and cause arrive, whatever
    the cause says (cut to the length of a report)."""
    comment = boot_report(outcome(stages, step if failed else "", cause, launch))
    (node,) = parse_nodes(RECORD.format(reason="slurm-azure: x [root@2026-11-21T10:00:00]", comment=comment), {"n1"})
    report = parse_boot_report(node.comment)
    assert report is not None
    assert (report.launch, report.ok, report.step) == (launch, not failed, step if failed else "")
    assert report.stages == tuple((name, float(f"{seconds:.2f}")) for name, seconds in stages.items())
    assert report.cpus == os.cpu_count()
    assert (report.memory_mib or 0) > 0
    assert comment.endswith(report.cause)
    assert '"' not in report.cause


def test_a_cause_is_free_text() -> None:
    """Words that look like fields, in the cause, are the cause's."""
    report = parse_boot_report(SOME + " step=other memory=1 cause=again")
    assert report is not None
    assert (report.step, report.memory_mib, report.cause) == ("mounts", 7900, "no step=other memory=1 cause=again")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "rack 7, do not touch",
        "slurm-azure boot=maybe launch=1 seconds=1",
        "slurm-azure boot=ok launch= seconds=1",
        "slurm-azure boot=ok launch=1 seconds=-1",
        "slurm-azure boot=ok launch=1 seconds=" + "9" * 400,
        "x slurm-azure boot=ok launch=1 seconds=1",
    ],
)
def test_a_comment_of_somebody_else_is_no_report(comment: str) -> None:
    """What an administrator wrote there, or what is damaged in its first fields, says nothing of a boot."""
    assert parse_boot_report(comment) is None


def test_damage_after_the_first_fields_costs_only_what_is_damaged() -> None:
    """Numbers that are none, or that no machine has, and stages without seconds are left out."""
    report = parse_boot_report("slurm-azure boot=ok launch=1 seconds=1 stages=a,b:x,c:1.5,: memory=many cpus=" + "9" * 50)
    assert report == BootReport(LaunchId("1"), True, 1.0, (("c", 1.5),))


@given(st.text(max_size=300), st.integers(0, len(SOME)))
def test_reading_a_report_never_fails(text: str, cut: int) -> None:
    """Anything at all, in place of a report, behind one, or in the middle of one."""
    for comment in (text, SOME + text, SOME[:cut] + text + SOME[cut:]):
        assert isinstance(parse_boot_report(comment), BootReport | None)
