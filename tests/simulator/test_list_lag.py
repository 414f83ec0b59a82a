"""Lists that are behind: what they show late, for how long, and that single resources are never late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.history import History
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """Lists are 10 s behind; a VM boots for 20 s and takes 5 s to be deleted; pages of two."""
    spans: dict[str, Any] = {"boot_seconds": constant(20.0), "delete_seconds": constant(5.0)}
    with simulated_azure(clock=ManualClock(), list_lag=10.0, page_size=2, **spans) as running:
        running.advance(0.0)
        yield running


def listed(azure: SimulatedAzure, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    target: str | None = path
    while target is not None:
        body = arm(azure, "GET", target).body
        found += body["value"]
        link = body.get("nextLink")
        target = (
            None
            if link is None
            else link.removeprefix(azure.endpoint)
            .replace("&api-version=2026-04-01", "")
            .replace("?api-version=2026-04-01&", "?")
        )
    return found


def states(azure: SimulatedAzure) -> dict[str, str]:
    return {vm["name"]: vm["properties"]["provisioningState"] for vm in listed(azure, vm_path(azure))}


def make(azure: SimulatedAzure, name: str) -> None:
    assert arm(azure, "PUT", vm_path(azure, name), vm_body(azure, name)).status == 201
    azure.advance(0.0)


def network(azure: SimulatedAzure) -> str:
    return f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces"


def disks(azure: SimulatedAzure) -> str:
    return f"{azure.group_path}/providers/Microsoft.Compute/disks"


def test_what_was_just_made_is_not_listed_yet(azure: SimulatedAzure) -> None:
    """A VM with its interface and disk is there when asked for, and in lists 10 s later."""
    make(azure, "one")
    azure.advance(9.0)
    assert arm(azure, "GET", vm_path(azure, "one")).status == 200
    assert [listed(azure, path) for path in (vm_path(azure), network(azure), disks(azure))] == [[], [], []]
    azure.advance(1.0)
    assert [len(listed(azure, path)) for path in (vm_path(azure), network(azure), disks(azure))] == [1, 1, 1]


def test_states_are_late(azure: SimulatedAzure) -> None:
    """A VM that has been ready for 5 s is still shown as being made; a GET knows better."""
    make(azure, "one")
    azure.advance(25.0)
    assert arm(azure, "GET", vm_path(azure, "one")).body["properties"]["provisioningState"] == "Succeeded"
    assert states(azure) == {"one": "Creating"}
    azure.advance(5.0)
    assert states(azure) == {"one": "Succeeded"}


def test_what_is_gone_is_listed_for_a_while(azure: SimulatedAzure) -> None:
    """A deleted VM is first shown as it was before the delete, then on its way out, then no more; so are its parts."""
    make(azure, "one")
    azure.advance(60.0)
    arm(azure, "DELETE", vm_path(azure, "one"))
    azure.advance(6.0)
    assert arm(azure, "GET", vm_path(azure, "one")).status == 404
    assert states(azure) == {"one": "Succeeded"}
    assert len(listed(azure, network(azure))) == len(listed(azure, disks(azure))) == 1
    azure.advance(5.0)
    assert states(azure) == {"one": "Deleting"}
    azure.advance(5.0)
    assert states(azure) == {}
    assert listed(azure, network(azure)) == listed(azure, disks(azure)) == []


def test_tags_are_late(azure: SimulatedAzure) -> None:
    """A change of tags shows in lists when its time has come."""
    make(azure, "one")
    azure.advance(60.0)
    arm(azure, "PATCH", vm_path(azure, "one"), {"tags": {"new": "yes"}})
    assert "tags" not in listed(azure, vm_path(azure))[0]
    azure.advance(10.0)
    assert listed(azure, vm_path(azure))[0]["tags"] == {"new": "yes"}


def test_all_lists_are_late_on_all_pages(azure: SimulatedAzure) -> None:
    """By group, by subscription, by location and status only: five VMs of before on three pages, in their order."""
    for number in range(5):
        make(azure, f"vm{number}")
    azure.advance(60.0)
    make(azure, "new")
    arm(azure, "DELETE", vm_path(azure, "vm1"))
    azure.advance(6.0)
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute"
    for path in (
        vm_path(azure),
        f"{everywhere}/virtualMachines",
        f"{everywhere}/virtualMachines?statusOnly=true",
        f"{everywhere}/locations/{azure.location}/virtualMachines",
    ):
        assert [vm["name"] for vm in listed(azure, path)] == [f"vm{number}" for number in range(5)]


def test_a_name_that_is_used_again(azure: SimulatedAzure) -> None:
    """The VM of before and the one that took its name are two: lists show the old one, then the new one."""
    make(azure, "one")
    azure.advance(60.0)
    old = arm(azure, "GET", vm_path(azure, "one")).body["properties"]["vmId"]
    arm(azure, "DELETE", vm_path(azure, "one"))
    azure.advance(5.0)
    make(azure, "one")
    new = arm(azure, "GET", vm_path(azure, "one")).body["properties"]["vmId"]
    assert [vm["properties"]["vmId"] for vm in listed(azure, vm_path(azure))] == [old]
    azure.advance(10.0)
    assert [vm["properties"]["vmId"] for vm in listed(azure, vm_path(azure))] == [new]
    assert old != new


class Thing:
    """A resource of no meaning."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.state = "new"


def test_without_lag_nothing_is_kept() -> None:
    """The usual case costs no memory, and shows the very list it was given."""
    history, things = History(ManualClock()), [Thing(1), Thing(2)]
    for thing in things:
        history.made(thing)
        history.changing(thing)
    assert len(history) == 0
    assert history.seen(things, Thing, lambda thing: True) is things


async def _later(clock: ManualClock, seconds: float) -> None:
    await clock.advance(seconds)


def test_what_is_kept_follows_the_lag() -> None:
    """Changes older than the lag are forgotten; a lag that ends forgets them all."""
    import asyncio

    clock = ManualClock()
    history, thing, lag = History(clock), Thing(1), [10.0]
    history.lag = lambda: lag[0]
    for _ in range(1000):
        history.changing(thing)
        thing.state += "."
        asyncio.run(_later(clock, 1.0))
    assert len(history) <= 11
    shown = list(history.seen([thing], Thing, lambda thing: True))
    assert len(shown[0].state) == len(thing.state) - 9
    lag[0] = 0.0
    assert list(history.seen([thing], Thing, lambda thing: True)) == [thing]
    assert len(history) == 0
