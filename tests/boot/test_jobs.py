"""Jobs of a node: which they are, by a hostlist as Slurm writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node.jobs import holds

from slurm_azure.hostlist import expand, fold

NAMES = st.from_regex(r"[a-c]{1,2}(-[a-b])?-?[0-9]{0,3}([a-b][0-9]{1,2})?", fullmatch=True)


@pytest.mark.parametrize(
    ("expression", "name", "there"),
    [
        ("az-1", "az-1", True),
        ("az-1", "az-10", False),
        ("az-[1-3,007,9]", "az-007", True),
        ("az-[1-3,007,9]", "az-7", False),
        ("az-[08-11]", "az-9", False),
        ("az-[08-11]", "az-09", True),
        ("az-[8-11]", "az-10", True),
        ("b5,r[1-2]n[01-16],c", "r2n16", True),
        ("b5,r[1-2]n[01-16],c", "r3n16", False),
        ("a.b", "aXb", False),
        ("", "az-1", False),
    ],
)
def test_holds(expression: str, name: str, there: bool) -> None:
    """Ranges, padding and several brackets, as Slurm means them."""
    assert holds(expression, name) is there


@given(st.lists(NAMES, min_size=1, max_size=12), NAMES)
def test_agrees_with_the_head_node(names: list[str], name: str) -> None:
    """A folded list holds the names it was folded from, and no other."""
    expression = fold(names)
    assert all(holds(expression, one) for one in expand(expression))
    assert holds(expression, name) is (name in names)
