"""Throttling: buckets against a plain model, Microsoft's worked example, both refusals, headers, what is counted where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.throttling.buckets import Bucket, Buckets, Rate
from slurm_azure.simulator.throttling.policies import FRONT_DOOR, GLOBAL, POLICIES
from slurm_azure.simulator.throttling.throttling import Throttling
from tests.simulator.raw import Answer, ask, token, vm_path
from tests.support.simulated_azure import READER, ManualClock, SimulatedAzure, simulated_azure, vm_body

VERSION = "2026-04-01"


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """Throttling on, time by `advance` alone, beginning with a minute that is a multiple of five."""
    with simulated_azure(clock=ManualClock(), throttling=True) as running:
        running.advance(300 - now(running) % 300)
        yield running


def now(azure: SimulatedAzure) -> float:
    found: float = azure.control("/health")["time"]
    return found


def throttling(azure: SimulatedAzure) -> Throttling:
    found = azure.simulator.throttling
    assert found is not None
    return found


class Caller:
    """Requests with one token, over and over."""

    def __init__(self, azure: SimulatedAzure, client: str | None = None, secret: str | None = None) -> None:
        self._azure = azure
        self._token = token(azure) if client is None else token(azure, client=client, secret=str(secret))

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        separator = "&" if "?" in path else "?"
        headers = {"Authorization": f"Bearer {self._token}"}
        return ask(self._azure.endpoint, method, f"{path}{separator}api-version={VERSION}", body, headers, self._azure.ca_file)


def drain(azure: SimulatedAzure, what: str, leave: int = 0, region: str = "") -> None:
    """Another client takes all but `leave` tokens."""
    size = FRONT_DOOR[what].size if what in FRONT_DOOR else 10**6
    azure.run(consume(azure, what, size - leave, region))


async def consume(azure: SimulatedAzure, what: str, count: int, region: str) -> int:
    return throttling(azure).consume(what, count, azure.subscription, region)


def test_microsofts_worked_example() -> None:
    """The table of "Compute throttling limits": 0, 8, 0, 13, 5 and 0 requests in six minutes on 12 tokens, 4 a minute."""
    bucket = Bucket(Rate(12, 4, 60), 0.0)
    rows = []
    for minute, requests in enumerate((0, 8, 0, 13, 5, 0)):
        bucket.advance(minute * 60.0 + 30)
        began = bucket.tokens
        throttled = requests - bucket.take(requests)
        rows.append((began, requests, throttled, bucket.tokens))
    assert rows == [(12, 0, 0, 12), (12, 8, 0, 4), (8, 0, 0, 8), (12, 13, 1, 0), (4, 5, 1, 0), (4, 0, 0, 4)]


class Model:
    """The same in so many words: tokens by a loop over all periods."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.tokens, self.period = rate, rate.size, 0

    def take(self, time: float, count: int) -> int:
        while (self.period + 1) * self.rate.period <= time:
            self.period += 1
            self.tokens = min(self.rate.size, self.tokens + self.rate.refill)
        taken = 0
        while taken < count and self.tokens:
            taken, self.tokens = taken + 1, self.tokens - 1
        return taken


rates = st.builds(Rate, st.integers(1, 50), st.integers(1, 20), st.sampled_from([1, 60, 300]))
steps = st.lists(st.tuples(st.floats(0, 200, allow_nan=False), st.integers(1, 30)), max_size=40)


@given(rates, steps)
def test_buckets_do_as_the_model(rate: Rate, asked: list[tuple[float, int]]) -> None:
    """Whatever is asked when: as many tokens as by plain counting, also where full buckets are forgotten in between."""
    model, kept, forgetful, time = Model(rate), Bucket(rate, 0.0), Buckets(), 0.0
    for later, count in asked:
        time += later
        expected = model.take(time, count)
        kept.advance(time)
        assert kept.take(count) == expected
        assert forgetful.find("key", rate, time).take(count) == expected
        forgetful._sweep(time)


@given(rates, steps)
def test_after_the_wait_there_is_a_token(rate: Rate, asked: list[tuple[float, int]]) -> None:
    """The wait is true: no token before it is over, one then."""
    bucket, time = Bucket(rate, 0.0), 0.0
    for later, count in asked:
        time += later
        bucket.advance(time)
        bucket.take(count)
    wait = bucket.wait(time)
    bucket.advance(time + wait * 0.99)
    assert (bucket.tokens > 0) == (wait == 0 or (time + wait * 0.99) // rate.period > time // rate.period)
    bucket.advance(time + wait + 1e-6)
    assert bucket.tokens > 0


def test_a_clock_that_goes_back_refills_nothing() -> None:
    """Nobody gets tokens for a second that was set back."""
    bucket = Bucket(Rate(5, 5, 60), 600.0)
    bucket.take(5)
    bucket.advance(540.0)
    assert bucket.tokens == 0


def test_full_buckets_are_forgotten() -> None:
    """A hundred thousand VMs, one request each in an hour: what is held follows the last minutes, not the VMs."""
    buckets, rate = Buckets(), Rate(12, 4, 60)
    for number in range(100_000):
        buckets.find(("vm", number), rate, number * 0.036).take()
    assert len(buckets) < 10_000


def test_every_answer_tells_what_is_left(azure: SimulatedAzure) -> None:
    """Reads, writes and deletes, of the principal and of all; Compute's policies of subscription and VM; the charge."""
    call = Caller(azure)
    read = call("GET", vm_path(azure))
    assert read.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    assert read.headers["x-ms-ratelimit-remaining-subscription-global-reads"] == "3749"
    assert read.headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/HighCostGet;899"
    assert read.headers["x-ms-request-charge"] == "1"
    write = call("PUT", vm_path(azure, "one"), vm_body(azure))
    assert write.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    assert (
        write.headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/PutVM;1499,Microsoft.Compute/PutVMResource;11"
    )
    assert "x-ms-ratelimit-remaining-subscription-reads" not in write.headers
    gone = call("DELETE", vm_path(azure, "one"))
    assert gone.headers["x-ms-ratelimit-remaining-subscription-deletes"] == "199"
    assert gone.headers["x-ms-ratelimit-remaining-subscription-global-deletes"] == "2999"


def test_refusals_tell_what_is_left_too(azure: SimulatedAzure) -> None:
    """A 404 of an operation costs a read, and says so."""
    absent = Caller(azure)("GET", vm_path(azure, "nobody"))
    assert (absent.status, absent.headers["x-ms-ratelimit-remaining-subscription-reads"]) == (404, "249")


def test_the_front_doors_refusal(azure: SimulatedAzure) -> None:
    """429 in an envelope, with code, kind, subscription and principal; a second later there are ten more writes."""
    call = Caller(azure)
    drain(azure, "writes")
    refused = call("PUT", vm_path(azure, "one"), vm_body(azure))
    assert (refused.status, refused.code) == (429, "SubscriptionRequestsThrottled")
    assert f"Number of 'write' requests for subscription '{azure.subscription}' actor '" in refused.body["error"]["message"]
    assert refused.body["error"]["message"].endswith("Please try again after '1' seconds.")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["x-ms-ratelimit-remaining-subscription-writes"] == "0"
    assert call("GET", vm_path(azure)).status == 200
    azure.advance(1.0)
    left = [call("PUT", vm_path(azure, f"vm{number}"), vm_body(azure, f"vm{number}")).status for number in range(11)]
    assert left == [201] * 10 + [429]


def test_a_refused_request_costs_nothing(azure: SimulatedAzure) -> None:
    """However often it is refused, the next refill is whole; and what Compute refuses has cost Compute nothing."""
    call = Caller(azure)
    drain(azure, "reads")
    assert {call("GET", vm_path(azure)).status for _ in range(20)} == {429}
    azure.advance(1.0)
    allowed = call("GET", vm_path(azure))
    assert allowed.headers["x-ms-ratelimit-remaining-subscription-reads"] == "24"
    assert allowed.headers["x-ms-ratelimit-remaining-resource"].endswith("HighCostGet;899")


def test_computes_refusal(azure: SimulatedAzure) -> None:
    """429 without envelope, its details a JSON text that counts; Retry-After leads into the next minute."""
    call = Caller(azure)
    drain(azure, "HighCostGet", region=azure.location)
    azure.advance(20.0)
    refused = call("GET", vm_path(azure))
    assert (refused.status, refused.body["code"]) == (429, "OperationNotAllowed")
    assert "error" not in refused.body
    detail = refused.body["details"][0]
    assert (detail["code"], detail["target"]) == ("TooManyRequests", "HighCostGet")
    measured = json.loads(detail["message"])
    assert measured["operationGroup"] == "HighCostGet"
    assert measured["allowedRequestCount"] == 900
    assert measured["measuredRequestCount"] == 1_000_001
    assert measured["startTime"] < measured["endTime"]
    assert refused.headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/HighCostGet;0"
    assert refused.headers["Retry-After"] == "40"
    azure.advance(40.0)
    assert call("GET", vm_path(azure)).headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/HighCostGet;299"


def test_twelve_updates_of_one_vm(azure: SimulatedAzure) -> None:
    """A VM takes twelve updates, then four a minute, while another VM still takes its twelve; a PUT over it is an update."""
    call = Caller(azure)
    for name in ("one", "two"):
        assert call("PUT", vm_path(azure, name), vm_body(azure, name)).status == 201
    again = call("PUT", vm_path(azure, "one"), vm_body(azure, "one"))
    assert again.headers["x-ms-ratelimit-remaining-resource"].startswith("Microsoft.Compute/UpdateVM;1499,")
    statuses = [call("PATCH", vm_path(azure, "one"), {"tags": {"n": str(n)}}).status for n in range(12)]
    assert statuses == [200] * 11 + [429]
    assert call("PATCH", vm_path(azure, "two"), {"tags": {}}).status == 200
    azure.advance(60.0)
    assert [call("PATCH", vm_path(azure, "one"), {"tags": {}}).status for _ in range(5)] == [200] * 4 + [429]


def test_regions_are_apart_at_the_provider_only(azure: SimulatedAzure) -> None:
    """Compute counts by region: where one is used up, the other goes on."""
    call = Caller(azure)
    drain(azure, "PutVM", region="northeurope")
    elsewhere = vm_path(azure, "far").replace("/slurm-burst/", "/other/")
    assert call("PUT", vm_path(azure, "near"), vm_body(azure)).status == 201
    assert call("PUT", elsewhere, vm_body(azure) | {"location": "North Europe"}).status == 429


def test_principals_have_budgets_of_their_own(azure: SimulatedAzure) -> None:
    """One principal's reads leave another's alone, but both count for the subscription."""
    one, other = Caller(azure), Caller(azure, READER, "only reads")
    for _ in range(3):
        one("GET", vm_path(azure))
    told = other("GET", vm_path(azure)).headers
    assert told["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    assert told["x-ms-ratelimit-remaining-subscription-global-reads"] == "3746"


def test_all_principals_together_have_fifteen_times_as_much() -> None:
    """The global limit holds where each principal is still within its own."""
    assert GLOBAL["writes"] == Rate(3000, 150, 1)
    assert GLOBAL["reads"] == Rate(3750, 375, 1)


def test_status_requests_are_reads_and_counted_by_compute(azure: SimulatedAzure) -> None:
    """A look at an operation costs a read, and one of the 45 that its operation has."""
    call = Caller(azure)
    made = call("PUT", vm_path(azure, "one"), vm_body(azure))
    path = made.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("?")[0]
    told = call("GET", path).headers
    assert told["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    expected = "Microsoft.Compute/GetOperation;14999,Microsoft.Compute/GetOperationResource;44"
    assert told["x-ms-ratelimit-remaining-resource"] == expected
    assert [call("GET", path).status for _ in range(45)] == [200] * 44 + [429]


def test_requests_without_subscription_count_for_the_tenant(azure: SimulatedAzure) -> None:
    """They have buckets and headers of their own."""
    answer = Caller(azure)("GET", "/tenants")
    assert answer.headers.get("x-ms-ratelimit-remaining-tenant-reads", "249") == "249"
    assert "x-ms-ratelimit-remaining-subscription-reads" not in answer.headers


def test_what_is_not_there_is_counted_too(azure: SimulatedAzure) -> None:
    """An address that means nothing, a method that it has not, and a lacking api-version cost a token each."""
    call = Caller(azure)
    nothing = call("GET", f"{azure.group_path}/providers/Microsoft.Nothing/things")
    wrong = call("POST", vm_path(azure, "one"))
    bearer = {"Authorization": f"Bearer {token(azure)}"}
    versionless = ask(azure.endpoint, "GET", vm_path(azure), headers=bearer, ca_file=azure.ca_file)
    assert (nothing.status, wrong.status, versionless.status) == (404, 405, 400)
    assert nothing.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    assert wrong.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    assert versionless.headers["x-ms-ratelimit-remaining-subscription-reads"] == "248"


def test_what_has_no_right_is_counted_before_it_is_refused(azure: SimulatedAzure) -> None:
    """The front door throttles before the role is looked at, the resource provider after."""
    answer = Caller(azure, READER, "only reads")("PUT", vm_path(azure, "one"), vm_body(azure))
    assert answer.status == 403
    assert answer.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    assert "x-ms-ratelimit-remaining-resource" not in answer.headers


def test_networks_have_a_thousand_writes_in_five_minutes(azure: SimulatedAzure) -> None:
    """Microsoft.Network refuses in its own name, until the five minutes are over."""
    call = Caller(azure)
    path = f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces/none"
    drain(azure, "Write", region=azure.location)
    refused = call("DELETE", path)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "TooManyRequests", "300")
    azure.advance(300.0)
    assert call("DELETE", path).headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Network/Write;999"


def test_the_sdk_reads_both_refusals(azure: SimulatedAzure) -> None:
    """azure-core finds code and message in the one with an envelope and in the one without."""
    with azure.compute() as client:
        drain(azure, "HighCostGet", region=azure.location)
        with pytest.raises(HttpResponseError) as compute:
            list(client.virtual_machines.list(azure.resource_group))
        drain(azure, "reads")
        with pytest.raises(HttpResponseError) as door:
            client.virtual_machines.get(azure.resource_group, "one")
    assert (compute.value.status_code, compute.value.error.code) == (429, "OperationNotAllowed")  # type: ignore[union-attr]
    assert (door.value.status_code, door.value.error.code) == (429, "SubscriptionRequestsThrottled")  # type: ignore[union-attr]


def test_switched_off_nothing_is_counted() -> None:
    """No limit, no header that tells of one, no memory."""
    with simulated_azure(clock=ManualClock()) as azure:
        call = Caller(azure)
        assert {call("GET", vm_path(azure)).status for _ in range(300)} == {200}
        told = call("GET", vm_path(azure)).headers
        assert [name for name in told if name.lower().startswith("x-ms-ratelimit")] == []
        assert azure.run(consume(azure, "reads", 10, "")) == 0
        assert len(throttling(azure)) == 0


def test_the_whole_table_of_the_page_is_there() -> None:
    """Every bucket of "Compute throttling limits" with its refill and capacity, for subscription and resource."""
    figures = {
        "VirtualMachines_CreateOrUpdate": (500, 1500, 4, 12),
        "VirtualMachines_Start": (500, 1500, 4, 12),
        "VirtualMachines_Deallocate": (500, 1500, 4, 12),
        "VirtualMachines_SimulateEviction": (500, 1500, 4, 12),
        "VirtualMachines_InstanceView": (8000, 24000, 12, 36),
        "VirtualMachines_ListAll": (300, 900, None, None),
        "Operations_Get": (5000, 15000, 15, 45),
        "VirtualMachines_AssessPatches": (200, 600, 2, 6),
        "VirtualMachineScaleSets_CreateOrUpdate": (125, 375, 4, 12),
        "VirtualMachineScaleSets_Update": (500, 1500, 4, 12),
        "VirtualMachineScaleSets_Delete": (175, 525, 4, 12),
        "VirtualMachineScaleSets_Get": (800, 2400, 12, 36),
        "VirtualMachineScaleSets_GetInstanceView": (360, 1080, 10, 30),
        "VirtualMachineScaleSetVMs_Start": (500, 1500, 4, 12),
        "VirtualMachineScaleSetVMs_Delete": (500, 1500, 4, 12),
        "VirtualMachineScaleSetVMs_Get": (2000, 6000, 12, 36),
    }
    for operation, (refill, size, own_refill, own_size) in figures.items():
        policy = POLICIES[operation]
        own = policy.resource
        assert policy.subscription == Rate(size, refill, 60), operation
        assert own == (None if own_refill is None else Rate(int(own_size or 0), own_refill, 60)), operation
