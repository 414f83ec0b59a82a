"""slurm_azure.slurm.states: the words of every Slurm release, and what power saving means by them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slurm_azure.model import Power
from slurm_azure.slurm.states import read_flags, read_node, read_state, registration_fault

words = st.sampled_from(
    ["IDLE", "DOWN", "ALLOCATED", "CLOUD", "POWERED_DOWN", "POWERING_UP", "POWER_DOWN", "X#", "~", "", "é*"]
)


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("IDLE+CLOUD+POWER", Power.OFF),  # 20.11
        ("IDLE#+CLOUD", Power.WAKING),
        ("ALLOCATED#+CLOUD", Power.WAKING),
        ("IDLE+CLOUD+POWER+POWERING_DOWN", Power.STOPPING),
        ("DOWN*+CLOUD+POWER", Power.OFF),
        ("IDLE+CLOUD+POWERED_DOWN", Power.OFF),  # since 21.08
        ("IDLE+CLOUD+POWERED_DOWN+NOT_RESPONDING", Power.OFF),
        ("DOWN+CLOUD+POWERED_DOWN+NOT_RESPONDING", Power.OFF),
        ("IDLE+CLOUD+POWER_DOWN+POWER_UP+POWERED_DOWN", Power.OFF),
        ("ALLOCATED+CLOUD+NOT_RESPONDING+POWERING_UP", Power.WAKING),
        ("DOWN+CLOUD+NOT_RESPONDING+POWERING_UP", Power.WAKING),
        ("IDLE+CLOUD+POWER_DOWN+NOT_RESPONDING+POWERING_UP", Power.WAKING),
        ("IDLE+CLOUD+POWERING_DOWN", Power.STOPPING),
        ("DOWN+CLOUD+POWERING_DOWN", Power.STOPPING),
        ("IDLE+CLOUD+POWER_DOWN+NOT_RESPONDING", Power.STOPPING),
        ("DOWN+CLOUD+POWER_DOWN", Power.STOPPING),
        ("ALLOCATED+CLOUD+DRAIN+POWER_DOWN", Power.UP),
        ("IDLE+CLOUD+COMPLETING+POWER_DOWN", Power.UP),
        ("IDLE+CLOUD", Power.UP),
        ("IDLE+CLOUD+POWER_UP", Power.UP),
        ("DOWN+CLOUD+NOT_RESPONDING", Power.UP),
        ("MIXED+CLOUD+PLANNED", Power.UP),
    ],
)
def test_power_of_each_state(text: str, power: Power) -> None:
    """Each State= text that Slurm shows in a node's life has one power state."""
    assert read_state(text)[0] is power


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("IDLE+CLOUD+POWER", {"IDLE", "CLOUD", "POWERED_DOWN"}),
        ("DOWN*+CLOUD", {"DOWN", "NOT_RESPONDING", "CLOUD"}),
        ("IDLE#+CLOUD", {"IDLE", "POWERING_UP", "CLOUD"}),
        ("drained", {"IDLE", "DRAIN"}),
        ("INVAL", {"INVALID_REG"}),
        ("IDLE+CLOUD+SOMETHING_NEW", {"IDLE", "CLOUD", "SOMETHING_NEW"}),
    ],
)
def test_flags_are_in_todays_words_and_unknown_ones_are_kept(text: str, flags: set[str]) -> None:
    """Older words and symbols become those of today; a flag of a release to come stays as it is."""
    assert read_state(text)[1] == flags


def test_json_lists_mean_the_same_as_text() -> None:
    """The lower-case lists of JSON give what State= gives."""
    assert read_flags(["idle", "CLOUD", "POWERED_DOWN"]) == read_state("IDLE+CLOUD+POWERED_DOWN")


def test_a_node_forced_down_while_booting_is_not_taken_for_up() -> None:
    """For the second before SuspendProgram runs, power_down_force shows no POWERING_* flag: not a node that has joined."""
    assert read_node("az-1", "IDLE+CLOUD+POWER_DOWN+NOT_RESPONDING", "").power is not Power.UP


@given(st.lists(words, max_size=6).map("+".join) | st.text(max_size=40))
@example("0 %")
def test_any_text_has_a_power_state(text: str) -> None:
    """Whatever stands in State=, reading it never fails and no flag is empty or carries a symbol."""
    power, flags = read_state(text)
    assert power in Power
    assert all(flag and flag == flag.strip().upper() for flag in flags)


@pytest.mark.parametrize(
    "reason",
    [
        "Low RealMemory (reported:24105 < 90.00% of configured:100000)",
        "Low socket*core*thread count, Low CPUs",
        "gres/gpu count reported lower than configured (1 < 2)",
    ],
)
def test_a_node_that_is_less_than_its_node_line_is_known_by_flag_or_reason(reason: str) -> None:
    """22.05 to 26.05 show INVALID_REG (captured), 20.11 only DRAIN and the reason."""
    for state in ("IDLE+CLOUD+DRAIN+INVALID_REG", "IDLE+CLOUD+DRAIN"):
        assert registration_fault(read_node("n1", state, reason)) == reason
    assert registration_fault(read_node("n1", "DOWN+CLOUD+DRAIN+INVALID_REG", "")) is not None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("IDLE+CLOUD+DRAIN", "kernel update"),
        (
            "IDLE+CLOUD+POWERED_DOWN",
            "Low RealMemory (reported:1 < 90.00% of configured:2)",
        ),  # left over, and powered down since
        ("IDLE+CLOUD", ""),
    ],
)
def test_other_nodes_have_no_registration_fault(state: str, reason: str) -> None:
    """An administrator's drain is none, nor is a reason that the power-down has outlived."""
    assert registration_fault(read_node("n1", state, reason)) is None
