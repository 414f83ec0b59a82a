"""Which requests a fault strikes: pure decisions, and the same ones for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.faults.plan import (
    Matchers,
    Request,
    Rule,
    Tally,
    VmFacts,
    chance,
    decide,
    in_window,
    matches_operation,
    matches_request,
    matches_vm,
    with_hit,
)

VM = VmFacts("vm-1", "node-1", {"Slurm-Azure-Pool": "hb", "other": "x"}, ("2",), "Standard_HB120rs_v3", "Spot", "westeurope")


def run(rule: Rule, matches: int, seed: int = 1, name: str = "a") -> list[int]:
    """The numbers (from 1) of the matches that are hit."""
    tally, struck = Tally(), []
    for number in range(1, matches + 1):
        tally, hit = decide(rule, tally, seed, name)
        if hit:
            tally = with_hit(tally)
            struck.append(number)
    return struck


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        (Rule(), [1, 2, 3, 4, 5, 6, 7, 8]),
        (Rule(count=3), [1, 2, 3]),
        (Rule(skip=5), [6, 7, 8]),
        (Rule(skip=2, count=2), [3, 4]),
        (Rule(every=3), [1, 4, 7]),
        (Rule(skip=1, every=3, count=2), [2, 5]),
        (Rule(probability=0.0), []),
    ],
)
def test_count_skip_and_every(rule: Rule, struck: list[int]) -> None:
    """The first ones, all but the first ones, each n-th, and together."""
    assert run(rule, 8) == struck


def test_probability_is_what_it_says() -> None:
    """Of 10,000 matches some 3,000 are hit at 0.3, spread evenly over them."""
    struck = run(Rule(probability=0.3), 10_000)
    assert 2_800 < len(struck) < 3_200
    assert 1_300 < sum(1 for number in struck if number <= 5_000) < 1_700


@given(st.integers(0, 2**63), st.text(max_size=20), st.integers(1, 10**9))
def test_chance_is_a_share_that_depends_on_its_arguments_alone(seed: int, name: str, number: int) -> None:
    """0 <= draw < 1, the same each time."""
    draw = chance(seed, name, number)
    assert 0 <= draw < 1
    assert chance(seed, name, number) == draw


@given(st.integers(0, 1000), st.floats(0.05, 0.95), st.integers(1, 60))
def test_the_same_seed_strikes_the_same_requests(seed: int, probability: float, matches: int) -> None:
    """The same matches are hit in two runs; and if there are more of them, the earlier ones as before."""
    rule = Rule(probability=probability)
    assert run(rule, matches, seed) == run(rule, matches, seed)
    assert run(rule, matches + 5, seed)[: len(run(rule, matches, seed))] == run(rule, matches, seed)


def test_names_and_seeds_have_streams_of_their_own() -> None:
    """Two faults, or two seeds, are not hit alike."""
    rule = Rule(probability=0.5)
    runs = {tuple(run(rule, 50, seed, name)) for seed in (1, 2) for name in ("a", "b")}
    assert len(runs) == 4


def test_the_window() -> None:
    """From `after` on, until just before `until`."""
    rule = Rule(after=10, until=20)
    assert [in_window(rule, second) for second in (9.9, 10, 19.9, 20)] == [False, True, True, False]


@pytest.mark.parametrize(
    "matchers",
    [
        Matchers(),
        Matchers(vm=("VM-*".lower(),)),
        Matchers(node=("other", "node-?")),
        Matchers(zone=("1", "2")),
        Matchers(size=("standard_hb*",)),
        Matchers(priority=("spot",)),
        Matchers(location=("westeurope",)),
        Matchers(tags=(("slurm-azure-pool", "h?"), ("other", "*"))),
    ],
)
def test_what_matches_a_vm(matchers: Matchers) -> None:
    """Patterns without regard to case, several are alternatives, all matchers have to fit."""
    assert matches_vm(matchers, VM)
    assert not matches_vm(replace(matchers, size=("standard_d*",)), VM)


@pytest.mark.parametrize(
    "matchers",
    [
        Matchers(vm=("vm-2",)),
        Matchers(zone=("1",)),
        Matchers(zone=("",)),
        Matchers(priority=("regular",)),
        Matchers(tags=(("slurm-azure-pool", "HB"),)),
        Matchers(tags=(("absent", "*"),)),
    ],
)
def test_what_does_not(matchers: Matchers) -> None:
    """Values of tags have a case; a tag has to be there."""
    assert not matches_vm(matchers, VM)


def test_a_vm_in_no_zone_and_a_request_about_no_vm() -> None:
    """An empty pattern is for what has none; matchers of VMs never fit a request that is about none."""
    assert matches_vm(Matchers(zone=("",)), VmFacts("vm"))
    assert not matches_vm(Matchers(vm=("*",)), None)
    assert matches_vm(Matchers(location=("x",)), None)


def test_operations_and_groups_of_them() -> None:
    """Patterns of operationIds, names of groups, and everything of Resource Manager but nothing else as `arm`."""
    assert matches_operation(Matchers(operation=("virtualmachines_*",)), "VirtualMachines_List")
    assert matches_operation(Matchers(operation=("creates",)), "VirtualMachines_CreateOrUpdate")
    assert not matches_operation(Matchers(operation=("creates", "deletes")), "VirtualMachines_Get")
    arm = Matchers(operation=("arm",))
    assert matches_operation(arm, "NetworkInterfaces_List")
    for other in ("Login_Token", "Imds_Instance", "Wire_Health", "GetSecret", "RetailPrices_List", ""):
        assert not matches_operation(arm, other)


def test_who_asks_how_and_where() -> None:
    """Method, location and any of a principal's names."""
    request = Request("VirtualMachines_List", "GET", ("daemon", "7e57"), "westeurope")
    assert matches_request(Matchers(method=("get",), principal=("DAEMON".lower(),), location=("west*",)), request)
    assert not matches_request(Matchers(principal=("x",)), request)
    assert not matches_request(Matchers(principal=("*",)), replace(request, principal=()))
