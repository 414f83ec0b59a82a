"""slurm_azure.slurm.resume_file: three shapes of Slurm, and anything else that may stand in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.model import JobNodes, NodeName
from slurm_azure.slurm.resume_file import parse_resume_file

FIXTURES = Path(__file__).parent.parent / "fixtures"


def job(number: int, *names: str) -> JobNodes:
    """A job that waits for the named nodes."""
    return JobNodes(number, tuple(NodeName(name) for name in names))


@pytest.mark.parametrize("release", ["22.05", "24.11", "26.05"])
def test_reads_what_each_release_writes(release: str) -> None:
    """The files that real slurmctlds handed to a ResumeProgram are read."""
    assert parse_resume_file((FIXTURES / f"slurm-{release}" / "resume.json").read_bytes()) == (job(6, "c112", "c113"),)


def test_takes_the_nodes_that_must_be_resumed_not_all_allocated_ones() -> None:
    """Nodes of the job that are up already are not asked for."""
    text = b'{"jobs":[{"job_id":7,"nodes_alloc":"a[1-4]","nodes_resume":"a[3-4]"}],"all_nodes_resume":"a[3-4]"}'
    assert parse_resume_file(text) == (job(7, "a3", "a4"),)


def test_keeps_the_order_of_the_jobs() -> None:
    """Jobs come in the file's order, which is the order Slurm allocated them in."""
    text = b'{"jobs":[{"job_id":9,"nodes":"b1"},{"job_id":2,"nodes":"b2"}]}'
    assert [entry.job_id for entry in parse_resume_file(text)] == [9, 2]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'"jobs"',
        b"{}",
        b'{"jobs":null}',
        b'{"jobs":{"job_id":1}}',
        b'{"jobs":[null,1,"x",[],{}]}',
        b'{"jobs":[{"job_id":"1","nodes":"a1"}]}',
        b'{"jobs":[{"job_id":true,"nodes":"a1"}]}',
        b'{"jobs":[{"job_id":1,"nodes":null}]}',
        b'{"jobs":[{"job_id":1,"nodes":["a1"]}]}',
        b'{"jobs":[{"job_id":1,"nodes":"a[1-"}]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"jobs":[' + b"[" * 100_000,
    ],
)
def test_nothing_readable_is_no_job(text: bytes) -> None:
    """A missing, empty or wrongly shaped file gives no job and no error."""
    assert parse_resume_file(text) == ()


def test_one_bad_entry_does_not_cost_the_others() -> None:
    """An entry of wrong types, and one with an unreadable hostlist, are left out; the rest is read."""
    jobs = [
        {"job_id": 1, "nodes": "a1"},
        {"job_id": [], "nodes": "a2"},
        {"job_id": 3, "nodes": "a[3"},
        {"job_id": 4, "nodes": "a4"},
    ]
    assert parse_resume_file(json.dumps({"jobs": jobs}).encode()) == (job(1, "a1"), job(4, "a4"))


def test_survives_huge_and_undecodable_names() -> None:
    """100 kB of job extras and bytes that are no UTF-8 change nothing for the nodes."""
    text = b'{"jobs":[{"job_id":5,"extra":"' + b"x" * 100_000 + b'\xff\xc3","features":"\\ud800","nodes_resume":"c[01-02]"}]}'
    assert parse_resume_file(text) == (job(5, "c01", "c02"),)


@given(st.integers(0, 400))
def test_a_truncated_file_gives_the_jobs_before_the_cut(cut: int) -> None:
    """Cut anywhere, the file yields exactly the entries that are whole."""
    entries = [{"job_id": number, "nodes_resume": f"n[{number}-{number + 1}]"} for number in range(1, 9)]
    text = json.dumps({"all_nodes_resume": "n[1-9]", "jobs": entries})
    whole = sum(text.index(json.dumps(entry)) + len(json.dumps(entry)) <= cut for entry in entries)
    assert [entry.job_id for entry in parse_resume_file(text[:cut].encode())] == list(range(1, whole + 1))


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:jobs_id1nde \\', max_size=200).map(str.encode))
def test_never_raises(text: bytes) -> None:
    """Any bytes are answered with a tuple of jobs that have nodes."""
    assert all(entry.nodes for entry in parse_resume_file(text))
