"""The seam and its token buckets against a simulated Azure that throttles as the documents say, second by simulated second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.limits import Limits
from slurm_azure.errors import Throttled
from slurm_azure.model import LaunchId, NodeName, Offer, PoolName, VmName
from tests.support.clouds import config_for
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure


class Site:
    """The seam, with the simulated Azure's clock for its buckets. `eaten` counts what another client got."""

    def __init__(self, azure: SimulatedAzure, cloud: AzureCompute, clock: ManualClock) -> None:
        self.azure, self.cloud, self.clock = azure, cloud, clock
        self.began = clock.now()
        self.refused = 0

    @property
    def passed(self) -> float:
        return self.clock.now() - self.began

    def wait_for(self, call: Call) -> None:
        """What the daemon does: nothing is sent until the seam grants it."""
        while (wait := self.cloud.reserve(call)) > 0:
            self.azure.advance(wait)

    def create(self, order: VmOrder) -> None:
        """Until it is accepted; a refusal for the rate is tried again as soon as the seam grants it."""
        while True:
            self.wait_for(Call.CREATE)
            try:
                self.cloud.create(order)
                return
            except Throttled:
                self.refused += 1

    def delete(self, name: VmName) -> None:
        while True:
            self.wait_for(Call.DELETE)
            try:
                self.cloud.delete(name)
                return
            except Throttled:
                self.refused += 1

    def statuses(self, operation: str) -> dict[str, int]:
        found: dict[str, int] = self.azure.control("/requests")["statuses"].get(operation, {})
        return found


@contextmanager
def site() -> Iterator[Site]:
    clock = ManualClock()
    with simulated_azure(clock=clock, throttling=True) as azure:
        config = config_for(azure)
        limits = Limits(config.limits.requests, clock.now)
        cloud = AzureCompute(config, make_credential(config.azure), limits, sleep=lambda seconds: azure.advance(seconds))
        try:
            yield Site(azure, cloud, clock)
        finally:
            cloud.close()


def an_order(number: int) -> VmOrder:
    node = NodeName(f"az-{number}")
    offer = Offer("Standard_F2s_v2")
    return VmOrder(VmName(f"{node}-l"), node, LaunchId(f"l{number}"), PoolName("hb"), offer, "#cloud-config\n")


@pytest.mark.timeout(180)
def test_a_thousand_creates_and_deletes_alone() -> None:
    """Nobody else draws on the budget: not one 429, and 5 % more than the 80 s that Azure's front door takes at least, each."""
    orders = [an_order(number) for number in range(1000)]
    with site() as found:
        for order in orders:
            found.create(order)
        created = found.passed
        for order in orders:
            found.delete(order.vm_name)
        deleted = found.passed - created
        found.azure.advance(0.0)
        assert found.statuses("VirtualMachines_CreateOrUpdate") == {"201": 1000}
        assert found.statuses("VirtualMachines_Delete") == {"202": 1000}
        assert found.azure.vms() == []
    assert created <= 1.05 * 80
    assert deleted <= 1.05 * 80


def test_another_client_eats_the_budget() -> None:
    """Somebody takes half of all writes in bursts: every order is carried out once, and after a 429 nothing is sent before
    its Retry-After is over."""
    with site() as found:
        for number in range(300):
            if number % 25 == 0:
                found.azure.run(_eat(found.azure, "writes", 150))
            found.create(an_order(number))
        statuses = found.statuses("VirtualMachines_CreateOrUpdate")
        assert len(found.azure.vms()) == 300
    assert statuses["201"] == 300
    assert 0 < statuses.get("429", 0) <= 12  # one for each burst, not one for each order
    assert found.refused == statuses.get("429", 0)


def test_headers_tell_that_another_client_was_there() -> None:
    """Somebody took most of the budget before the first order: what answers say is left is enough to send nothing in vain."""
    with site() as found:
        found.azure.run(_eat(found.azure, "writes", 150))
        for number in range(150):
            found.create(an_order(number))
        assert found.statuses("VirtualMachines_CreateOrUpdate") == {"201": 150}
        assert found.passed <= 1.2 * (150 - 50) / 10


def test_another_client_eats_computes_lists() -> None:
    """With HighCostGet used up a list is refused for the rest of the minute; the seam asks once, waits, and then gets it."""
    with site() as found:
        found.create(an_order(1))
        found.azure.run(_eat(found.azure, "HighCostGet", 10**6))
        found.wait_for(Call.LIST)
        began = found.passed
        with pytest.raises(Throttled) as refused:
            found.cloud.list()
        found.wait_for(Call.LIST)
        assert found.passed - began >= refused.value.retry_after > 0
        assert len(found.cloud.list()) == 1
        assert found.statuses("VirtualMachines_List") == {"200": 1, "429": 1}


async def _eat(azure: SimulatedAzure, what: str, count: int) -> None:
    throttling = azure.simulator.throttling
    assert throttling is not None
    throttling.consume(what, count, azure.subscription, azure.location)
