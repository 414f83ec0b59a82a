"""slurm_azure.slurm.versions: which release has what."""

from __future__ import annotations

import pytest

from slurm_azure.errors import SchedulerRefused
from slurm_azure.slurm.versions import parse_version, traits


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("slurm-wlm 22.05.8\n", (22, 5)),
        ("slurm 24.11.5", (24, 11)),
        ("slurm 20.11.9\n", (20, 11)),
        ("slurm-wlm 26.05.5", (26, 5)),
    ],
)
def test_reads_the_versions_that_distributions_print(text: str, release: tuple[int, int]) -> None:
    """Debian's name and SchedMD's name are both understood."""
    assert parse_version(text) == release


@pytest.mark.parametrize("text", ["", "scontrol: error", "slurm master", "munge 0.5.15"])
def test_refuses_what_is_no_version(text: str) -> None:
    """Anything else is an error that quotes it, not a guess."""
    with pytest.raises(SchedulerRefused, match="no version of Slurm"):
        parse_version(text)


@pytest.mark.parametrize(
    ("trait", "last_without", "first_with"),
    [
        ("partition_timers", (20, 11), (21, 8)),
        ("resume_file", (20, 11), (21, 8)),
        ("pushes_includes", (21, 8), (22, 5)),
        ("requeue_on_resume_failure", (24, 11), (25, 5)),
        ("requeue_delay", (25, 5), (25, 11)),
    ],
)
def test_what_came(trait: str, last_without: tuple[int, int], first_with: tuple[int, int]) -> None:
    """A trait is there from its first release on."""
    assert not getattr(traits(last_without), trait)
    assert getattr(traits(first_with), trait)
    assert getattr(traits((26, 5)), trait)


@pytest.mark.parametrize(
    ("trait", "last_with", "first_without"),
    [
        ("cloud_reg_addrs", (23, 2), (23, 11)),
        ("kills_by_name", (23, 2), (23, 11)),
        ("private_data_cloud", (22, 5), (23, 2)),
        ("flat_tree", (23, 2), (23, 11)),
    ],
)
def test_what_went(trait: str, last_with: tuple[int, int], first_without: tuple[int, int]) -> None:
    """An option that newer releases complain about is not asked for there."""
    assert getattr(traits((20, 11)), trait)
    assert getattr(traits(last_with), trait)
    assert not getattr(traits(first_without), trait)
