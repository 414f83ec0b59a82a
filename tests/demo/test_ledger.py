"""The table at the end of the demonstration."""

from __future__ import annotations

from typing import Any

from slurm_azure.demo.ledger import ledger, rows


def a_story(node: str, *launches: str, cost: float | None = 0.01) -> dict[str, Any]:
    """What `why --json` says: each launch requested at 0 s, accepted at 1, joined at 15, released at 75, gone at 90."""
    steps = [("requested", 0), ("accepted", 1), ("joined", 15), ("released", 75), ("gone", 90)]
    timeline = [
        {
            "at": f"2026-01-01T0{hour}:{seconds // 60:02}:{seconds % 60:02}+00:00",
            "what": what,
            "text": "slurmctld asked for resume" if what == "requested" else "",
            "launch": None if what == "requested" else launch,
        }
        for hour, launch in enumerate(launches)
        for what, seconds in steps
    ]
    return {"node": node, "launches": [{"id": launch, "cost_usd": cost} for launch in launches], "timeline": timeline}


def test_stages_are_from_entry_to_entry() -> None:
    """Order, boot, use and deletion in seconds."""
    (row,) = rows([a_story("n1", "l1")], {"n1": 4})
    assert (row.node, row.frames, row.stages, row.cost) == ("n1", 4, (1.0, 14.0, 60.0, 15.0), 0.01)


def test_each_launch_has_its_own_request() -> None:
    """A node that was launched twice has two rows, each measured from the request that led to it."""
    first, second = rows([a_story("n1", "l1", "l2")], {"n1": 4})
    assert first.stages == second.stages
    assert (first.frames, second.frames) == (0, 4)


def test_a_stage_that_never_came_is_no_number() -> None:
    """A VM that is not gone yet has no time of deletion, and a price that is not known is no zero."""
    story = a_story("n1", "l1", cost=None)
    del story["timeline"][-1]
    (row,) = rows([story], {})
    assert row.stages[-1] is None
    lines = list(ledger([story], {"n1": 1}, {"VirtualMachines_List": 3}))
    assert lines[1].split() == ["n1", "1", "1.0", "14.0", "60.0", "-", "?"]


def test_calls_are_counted_per_vm() -> None:
    """Two launches and four writes are two writes a VM."""
    stories = [a_story("n1", "l1"), a_story("n2", "l2")]
    last = list(ledger(stories, {}, {"VirtualMachines_CreateOrUpdate": 4}))[-1]
    assert last.split() == ["VirtualMachines_CreateOrUpdate", "4", "2.00", "per", "VM"]
