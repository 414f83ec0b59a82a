"""Faults that strike requests and answers, seen through a raw client and the unmodified SDK."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)

from slurm_azure.simulator.faults import catalog
from tests.simulator.faulty import at_the_same_time, body, control, create, fault, hits, last_request, put
from tests.simulator.raw import arm, ask, token, vm_path
from tests.support.processes import until
from tests.support.simulated_azure import CLIENT, ManualClock, SimulatedAzure, simulated_azure, vm_body

SYNC = [name for name, named in catalog.NAMED.items() if named.nature == "sync"]


@pytest.mark.parametrize("name", SYNC)
def test_each_named_error_comes_with_the_answer(azure: SimulatedAzure, name: str) -> None:
    """Status and code are Azure's, the words are filled in, and nothing was made."""
    put(azure, {"what": name, "operation": "creates"})
    answer = create(azure, priority="Spot", evictionPolicy="Delete", billingProfile={"maxPrice": -1})
    named = catalog.NAMED[name]
    assert answer.status == named.status
    if named.body == "json":
        assert answer.code == named.code
        assert not catalog._PLACE.search(answer.body["error"]["message"])
        assert answer.headers["x-ms-request-id"]
    else:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert str(named.status) in answer.text.decode()
    assert azure.vms() == []


def test_words_are_filled_from_the_request(azure: SimulatedAzure) -> None:
    """Quota by family and region, a linked scope, a size in a zone: as the request says."""
    put(
        azure,
        {"what": "QuotaExceeded", "count": 1},
        {"what": "LinkedAuthorizationFailed", "vm": "b"},
        {"what": "SkuNotAvailable"},
    )
    body = vm_body(azure, top={"zones": ["2"]})
    quota = arm(azure, "PUT", vm_path(azure, "a"), body).body["error"]["message"]
    linked = arm(azure, "PUT", vm_path(azure, "b"), body).body["error"]["message"]
    sku = arm(azure, "PUT", vm_path(azure, "c"), body).body["error"]["message"]
    assert "approved standardDSv5Family Cores quota" in quota
    assert "Location: westeurope, Current Limit: 100, Current Usage: 100, Additional Required: 2" in quota
    assert f"client '{CLIENT}'" in linked
    assert f"linked scope(s) '{azure.subnet_id}'" in linked
    assert "Microsoft.Compute/virtualMachines/write" in linked
    assert f"size for resource '{vm_path(azure, 'c')}'" in sku
    assert "location 'westeurope' zones '2'" in sku


def test_an_error_of_ones_own(azure: SimulatedAzure) -> None:
    """Status, code, words, target, details and headers, as written."""
    what = {
        "kind": "error",
        "code": "TooOdd",
        "status": 418,
        "message": "{vm} is odd, {unheard} of",
        "target": "{size}",
        "details": [{"code": "Inner", "message": "very"}],
        "headers": {"Retry-After": "7", "x-odd": "{vm}"},
    }
    put(azure, {"what": what, "operation": "VirtualMachines_CreateOrUpdate"})
    answer = create(azure, "vm-7")
    assert answer.status == 418
    assert answer.body["error"] == {
        "code": "TooOdd",
        "message": "vm-7 is odd, {unheard} of",
        "target": "Standard_D2s_v5",
        "details": [{"code": "Inner", "message": "very"}],
    }
    assert (answer.headers["Retry-After"], answer.headers["x-odd"]) == ("7", "vm-7")


@pytest.mark.parametrize(("name", "error"), [("SkuNotAvailable", ResourceExistsError), ("InvalidAuthenticationToken", None)])
def test_the_sdk_sees_azures_errors(azure: SimulatedAzure, name: str, error: type[HttpResponseError] | None) -> None:
    """The class that azure-core makes of the status, and the code in it."""
    put(azure, {"what": name})
    with azure.compute() as client, pytest.raises(error or ClientAuthenticationError) as caught:
        client.virtual_machines.begin_create_or_update(azure.resource_group, "vm-1", body(azure)).result()
    assert caught.value.error is not None
    assert caught.value.error.code == name


@pytest.mark.parametrize(
    ("matchers", "struck"),
    [
        ({"vm": "b*"}, ["b"]),
        ({"node": "n-c"}, ["c"]),
        ({"zone": 2}, ["b"]),
        ({"zone": ""}, ["a", "c"]),
        ({"size": "standard_d4*"}, ["c"]),
        ({"priority": "Spot"}, ["a"]),
        ({"tags": {"x": "y*"}}, ["c"]),
        ({"pool": "hb"}, ["a"]),
        ({"location": "WestEurope"}, ["a", "b", "c"]),
        ({"principal": "owner"}, ["a", "b", "c"]),
        ({"principal": "reader"}, []),
        ({"method": "GET"}, []),
        ({"operation": "deletes"}, []),
    ],
)
def test_matchers_see_what_is_asked_for(azure: SimulatedAzure, matchers: dict[str, Any], struck: list[str]) -> None:
    """Of three create calls those are refused that the matchers are for."""
    put(azure, {"what": "Conflict", **matchers})
    spot = {"priority": "Spot", "evictionPolicy": "Delete"}
    answers = {
        "a": create(azure, "a", "n-a", top={"tags": {"slurm-azure-pool": "hb"}}, **spot),
        "b": create(azure, "b", "n-b", top={"zones": ["2"]}),
        "c": create(azure, "c", "n-c", top={"tags": {"X": "yes"}}, hardwareProfile={"vmSize": "Standard_D4s_v5"}),
    }
    assert [name for name, answer in answers.items() if answer.status == 409] == struck
    assert [name for name, answer in answers.items() if answer.status == 201] == [n for n in "abc" if n not in struck]


def test_a_body_that_is_none_is_still_the_services_to_refuse(azure: SimulatedAzure) -> None:
    """A fault that looks at the body leaves what is no JSON alone."""
    put(azure, {"what": "Conflict", "zone": 2})
    assert arm(azure, "PUT", vm_path(azure, "a"), b"{").status == 400
    assert arm(azure, "PUT", vm_path(azure, "a"), {"zones": 3, "tags": [], "properties": []}).status == 400


def test_requests_on_a_vm_that_is_there_are_matched_by_what_it_is(azure: SimulatedAzure) -> None:
    """GET and DELETE carry no body: the VM itself counts, and for an interface its VM."""
    create(azure, "a", top={"zones": ["2"]})
    create(azure, "b")
    put(azure, {"what": {"kind": "error", "code": "X", "status": 400}, "zone": 2})
    assert [arm(azure, "GET", vm_path(azure, name)).status for name in "ab"] == [400, 200]
    put(azure)
    nics = {nic["properties"]["virtualMachine"]["id"][-1]: nic["id"] for nic in arm(azure, "GET", _nics(azure)).body["value"]}
    put(azure, {"what": {"kind": "error", "code": "X", "status": 400}, "zone": 2})
    assert [arm(azure, "GET", nics[name]).status for name in "ab"] == [400, 200]


def _nics(azure: SimulatedAzure) -> str:
    return f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces"


def test_matches_and_hits_are_counted(azure: SimulatedAzure) -> None:
    """Each match counts, each hit, and the last ones hit are named; the journal says which fault it was."""
    put(azure, {"name": "f", "what": "Conflict", "skip": 1, "count": 2})
    statuses = [create(azure, f"vm-{number}").status for number in range(5)]
    assert statuses == [201, 409, 409, 201, 201]
    found = fault(azure, "f")
    assert (found["matched"], found["hits"], found["last"], found["active"]) == (5, 2, ["vm-1", "vm-2"], False)
    struck = azure.control("/requests?vm=vm-1&operation=*create*")["recent"]
    assert [(entry["faults"], entry["fate"], entry["status"]) for entry in struck] == [(["f"], "sent", 409)]


def test_of_two_faults_the_first_strikes_and_both_count_their_matches(azure: SimulatedAzure) -> None:
    """What one does leaves the other's counting as it was."""
    put(azure, {"name": "a", "what": "Conflict", "count": 1}, {"name": "b", "what": "SkuNotAvailable", "count": 1})
    assert [create(azure, f"vm-{n}").body.get("error", {}).get("code") for n in range(3)] == [
        "Conflict",
        "SkuNotAvailable",
        None,
    ]
    assert [(fault(azure, name)["matched"], hits(azure, name)) for name in "ab"] == [(3, 1), (3, 1)]


def test_the_same_seed_strikes_alike() -> None:
    """Two simulators with one seed and one plan refuse the same requests; a further fault changes nothing of that."""
    plan = {"name": "f", "what": "Conflict", "probability": 0.5}
    runs = []
    for further in ([], [{"name": "g", "what": {"kind": "reset"}, "probability": 0.5, "operation": "lists"}]):
        with simulated_azure(seed=5) as azure:
            put(azure, plan, *further)
            statuses = []
            for number in range(12):
                statuses.append(create(azure, f"vm-{number}").status)
                if further:
                    with suppress(OSError):
                        arm(azure, "GET", vm_path(azure))
            runs.append(statuses)
    assert runs[0] == runs[1]
    assert {201, 409} == set(runs[0])


def test_a_window_opens_and_closes_by_the_simulated_clock(slow_azure: SimulatedAzure) -> None:
    """From 10 s after the plan was loaded until 20 s after it."""
    put(slow_azure, {"what": "InternalServerError", "after": 10, "until": 20})
    statuses = []
    for _ in range(5):
        statuses.append(arm(slow_azure, "GET", vm_path(slow_azure)).status)
        slow_azure.advance(5)
    assert statuses == [200, 200, 500, 500, 200]


def test_a_window_can_count_from_the_start_of_the_simulator(slow_azure: SimulatedAzure) -> None:
    """`from: start`: a plan that is loaded late does not begin anew."""
    slow_azure.advance(100)
    put(slow_azure, {"what": "InternalServerError", "until": 50, "from": "start"})
    assert arm(slow_azure, "GET", vm_path(slow_azure)).status == 200


@pytest.mark.parametrize("body", ["html", "plain", "empty", "json"])
def test_a_storm_of_5xx(slow_azure: SimulatedAzure, body: str) -> None:
    """All requests to Resource Manager fail for 20 s, with one of the statuses; the token endpoint does not."""
    put(slow_azure, {"what": {"kind": "storm", "statuses": [500, 502, 504], "seconds": 20, "body": body, "retry_after": 3}})
    answers = [arm(slow_azure, "GET", vm_path(slow_azure)) for _ in range(12)]
    assert {answer.status for answer in answers} == {500, 502, 504}
    assert {answer.headers["Retry-After"] for answer in answers} == {"3"}
    kinds = {"html": "text/html", "plain": "text/plain", "json": "application/json", "empty": "application/octet-stream"}
    assert all((answer.headers["Content-Type"] or "application/octet-stream").startswith(kinds[body]) for answer in answers)
    slow_azure.advance(20)
    assert arm(slow_azure, "GET", vm_path(slow_azure)).status == 200


def test_latency_before_and_after_the_effect(slow_azure: SimulatedAzure) -> None:
    """The request waits 30 s; before its effect there is no VM in the meantime, after it there is."""
    for when, number in (("before", 0), ("after", 1)):
        put(slow_azure, {"what": {"kind": "latency", "seconds": 30, "when": when}, "operation": "creates"})
        with at_the_same_time() as begin:
            answer = begin(lambda when=when: create(slow_azure, when))  # type: ignore[misc]
            until(lambda: hits(slow_azure) == 1, 10)
            assert sum(vm["name"] == when for vm in slow_azure.vms()) == number
            assert not answer.done()
            slow_azure.advance(30)
            assert answer.result(10).status == 201


def test_latencies_add_up_and_an_error_may_follow(slow_azure: SimulatedAzure) -> None:
    """10 s and 20 s, then the refusal; the request is struck by each fault once."""
    put(
        slow_azure,
        {"name": "a", "what": {"kind": "latency", "seconds": 10}, "operation": "creates"},
        {"name": "b", "what": "Conflict"},
        {"name": "c", "what": {"kind": "latency", "seconds": 20}, "operation": "creates"},
    )
    with at_the_same_time() as begin:
        answer = begin(lambda: create(slow_azure))
        until(lambda: hits(slow_azure, "c") == 1, 10)
        slow_azure.advance(29)
        assert not answer.done()
        slow_azure.advance(1)
        assert answer.result(10).status == 409
    assert [fault(slow_azure, name)["matched"] for name in "abc"] == [1, 1, 1]
    assert last_request(slow_azure)["faults"] == ["a", "b", "c"]


def test_a_request_has_its_effect_even_if_its_client_left(slow_azure: SimulatedAzure) -> None:
    """The client waits less long than Azure takes: the VM is made all the same, and the journal says that nobody waited."""
    put(slow_azure, {"what": {"kind": "latency", "seconds": 60}, "operation": "creates"})
    with slow_azure.compute() as client, pytest.raises(ServiceResponseError):
        client.virtual_machines.begin_create_or_update(
            slow_azure.resource_group, "vm-1", body(slow_azure), polling=False, read_timeout=0.2
        )
    assert slow_azure.vms() == []
    slow_azure.advance(60)
    assert [vm["name"] for vm in slow_azure.vms()] == ["vm-1"]
    assert last_request(slow_azure, "*Create*")["fate"] == "abandoned"


@pytest.mark.parametrize(("when", "made"), [("before", []), ("after", ["vm-1"])])
def test_a_reset_before_and_after_the_effect(azure: SimulatedAzure, when: str, made: list[str]) -> None:
    """The client sees RST, not an orderly end; the request is counted all the same."""
    put(azure, {"what": {"kind": "reset", "when": when}, "operation": "creates", "count": 1})
    with pytest.raises(ConnectionResetError):
        create(azure)
    assert [vm["name"] for vm in azure.vms()] == made
    entry = last_request(azure, "*Create*")
    assert (entry["fate"], entry["status"], entry["faults"]) == ("reset", 201 if made else 0, ["fault-1"])
    assert azure.counts()["VirtualMachines_CreateOrUpdate"] == 1
    assert create(azure).status in (200, 201)


def test_the_sdk_takes_a_reset_for_what_it_is(azure: SimulatedAzure) -> None:
    """ServiceResponseError or ServiceRequestError, as azure-core has it for connections that break."""
    put(azure, {"what": {"kind": "reset"}, "operation": "lists"})
    with azure.compute() as client, pytest.raises((ServiceResponseError, ServiceRequestError)):
        list(client.virtual_machines.list(azure.resource_group))


@pytest.mark.parametrize(("when", "made"), [("before", []), ("after", ["vm-1"])])
def test_a_lost_reply(azure: SimulatedAzure, when: str, made: list[str]) -> None:
    """No answer comes while the client waits; the effect has taken place, or not. The next call is answered."""
    put(azure, {"what": {"kind": "lost", "when": when}, "operation": "creates", "count": 1})
    with azure.compute() as client:
        with pytest.raises(ServiceResponseError):
            client.virtual_machines.begin_create_or_update(
                azure.resource_group, "vm-1", body(azure), polling=False, read_timeout=0.2
            )
        assert [vm["name"] for vm in azure.vms()] == made
        assert last_request(azure, "*Create*")["fate"] == "lost"
        client.virtual_machines.begin_create_or_update(azure.resource_group, "vm-1", body(azure), polling=False)


@pytest.mark.parametrize("form", ["truncated", "html", "empty", "shape"])
def test_garbage_in_place_of_the_body(azure: SimulatedAzure, form: str) -> None:
    """The status is right, the body is not; refusals are left alone."""
    put(azure, {"what": {"kind": "garbage", "form": form}, "operation": ["lists", "VirtualMachines_Get"]})
    assert arm(azure, "GET", vm_path(azure, "absent")).code == "ResourceNotFound"
    headers = {"Authorization": f"Bearer {token(azure)}"}
    path = f"{vm_path(azure)}?api-version=2024-07-01"
    connection = ask(azure.endpoint, "GET", path, None, headers, azure.ca_file) if form != "truncated" else None
    if connection is None:
        with pytest.raises(json.JSONDecodeError):
            ask(azure.endpoint, "GET", path, None, headers, azure.ca_file)
    else:
        assert connection.status == 200
        assert connection.text[:6] in (b"<!DOCT", b"", b'[{"une')


@pytest.mark.parametrize("by", ["arm", "compute"])
def test_429_in_both_shapes(azure: SimulatedAzure, by: str) -> None:
    """Retry-After, and who says no: Resource Manager with an envelope, Compute without one."""
    put(azure, {"what": {"kind": "throttle", "by": by, "retry_after": 120, "policy": "HighCostGet"}, "operation": "lists"})
    answer = arm(azure, "GET", vm_path(azure))
    assert (answer.status, answer.headers["Retry-After"]) == (429, "120")
    if by == "arm":
        assert answer.code == "SubscriptionRequestsThrottled"
        assert answer.headers["x-ms-ratelimit-remaining-subscription-reads"] == "0"
    else:
        assert answer.body["code"] == "OperationNotAllowed"
        assert answer.body["details"][0]["target"] == "HighCostGet"
        assert answer.headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/HighCostGet;0"
    with azure.compute() as client, pytest.raises(HttpResponseError) as caught:
        list(client.virtual_machines.list(azure.resource_group))
    assert caught.value.status_code == 429


def test_a_page_misses_a_vm_once() -> None:
    """The list lacks the VM, once; the VM itself is there."""
    with simulated_azure(page_size=2) as azure, azure.compute() as client:
        for name in "abcde":
            create(azure, name)
        put(azure, {"what": "list_incomplete", "vm": "d", "count": 1})
        names = [[vm.name for vm in client.virtual_machines.list(azure.resource_group)] for _ in range(2)]
        assert names == [["a", "b", "c", "e"], ["a", "b", "c", "d", "e"]]
        assert fault(azure)["last"] == ["d"]


def test_a_next_link_that_is_broken_and_a_page_that_fails() -> None:
    """Following the link is refused with 400; or a page after the first fails with its status."""
    with simulated_azure(page_size=2) as azure, azure.compute() as client:
        for name in "abc":
            create(azure, name)
        for how, status in (("link", 400), ("page", 503)):
            put(azure, {"what": {"kind": "list_incomplete", "how": how, "status": 503}, "count": 1})
            with pytest.raises(HttpResponseError) as caught:
                list(client.virtual_machines.list(azure.resource_group))
            assert caught.value.status_code == status
            assert len(list(client.virtual_machines.list(azure.resource_group))) == 3
            assert hits(azure) == 1


def test_a_power_state_is_missing_from_the_list_of_states(azure: SimulatedAzure) -> None:
    """statusOnly=true: the provisioning state is there, the power state is not; for the other VM both."""
    create(azure, "a")
    create(azure, "b")
    until(lambda: {vm["powerState"] for vm in azure.vms()} == {"running"}, 10)
    put(azure, {"what": "power_state_missing", "vm": "a"})
    with azure.compute() as client:
        found = {vm.name: vm.instance_view.statuses for vm in client.virtual_machines.list_all(status_only="true")}
    codes = {name: [status.code.split("/")[0] for status in statuses] for name, statuses in found.items()}
    assert codes == {"a": ["ProvisioningState"], "b": ["ProvisioningState", "PowerState"]}


def test_another_client_uses_up_the_budget() -> None:
    """Our first request after it is throttled, or its remaining budget is what the other has left."""
    with simulated_azure(clock=ManualClock(), throttling=True) as azure:
        left = int(create(azure, "a").headers["x-ms-ratelimit-remaining-subscription-writes"])
        put(azure, {"what": {"kind": "another_client", "requests": 150, "budget": "writes"}})
        azure.advance(0)
        assert int(create(azure, "b").headers["x-ms-ratelimit-remaining-subscription-writes"]) == left - 151
        put(azure, {"what": {"kind": "another_client", "requests": 10_000, "budget": "writes"}})
        azure.advance(0)
        assert create(azure, "c").status == 429


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({"kind": "login_down"}, 503),
        ({"kind": "login_down", "status": 500}, 500),
        ({"kind": "login_down", "how": "invalid_client"}, 401),
    ],
)
def test_the_token_endpoint_fails(azure: SimulatedAzure, what: dict[str, Any], status: int) -> None:
    """azure-identity says so; with invalid_client in Entra ID's words."""
    put(azure, {"what": what, "principal": "owner", "operation": "tokens"})
    credential = azure.credential(retry_total=0)
    with pytest.raises(ClientAuthenticationError) as caught:
        credential.get_token("https://management.azure.com/.default")
    credential.close()
    assert hits(azure) >= 1
    assert last_request(azure, "Login_Token")["status"] == status
    assert status != 401 or "AADSTS7000215" in str(caught.value)


def test_a_secret_that_is_no_longer_known_is_told_without_being_asked_for(azure: SimulatedAzure) -> None:
    """Of all that a client asks of Entra ID, invalid_client spoils the request for a token alone."""
    put(azure, {"what": {"kind": "login_down", "how": "invalid_client"}})
    credential = azure.credential(retry_total=0)
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token("https://management.azure.com/.default")
    credential.close()


def test_the_token_endpoint_resets_or_is_slow(slow_azure: SimulatedAzure) -> None:
    """RST; or the token after 30 s."""
    put(slow_azure, {"what": {"kind": "login_down", "how": "reset"}})
    with pytest.raises(ConnectionResetError):
        token(slow_azure)
    put(slow_azure, {"what": {"kind": "login_down", "how": "slow", "seconds": 30}})
    with at_the_same_time() as begin:
        answer = begin(lambda: token(slow_azure))
        until(lambda: hits(slow_azure) == 1, 10)
        slow_azure.advance(30)
        assert answer.result(10)


@pytest.mark.parametrize(("what", "status"), [({"kind": "vault_down"}, 503), ({"kind": "vault_down", "how": "forbidden"}, 403)])
def test_vaults_fail(azure: SimulatedAzure, what: dict[str, Any], status: int) -> None:
    """With a gateway's page, or with Forbidden."""
    put(azure, {"what": what})
    path = "/vaults/mycluster/secrets/munge-key?api-version=7.4"
    answer = ask(azure.endpoint, "GET", path, ca_file=azure.ca_file)
    assert answer.status == status
    assert status == 503 or answer.code == "Forbidden"


def test_the_metadata_service_fails_for_some_vms(azure: SimulatedAzure) -> None:
    """One VM's requests fail, the other's do not; the wire server is another thing."""
    create(azure, "a", "n-a")
    create(azure, "b", "n-b")
    put(azure, {"what": {"kind": "imds_down", "status": 503}, "node": "n-a"})
    path, headers = "/metadata/instance?api-version=2021-02-01", {"Metadata": "true"}
    found = [ask(azure.imds, "GET", path, None, headers, source=vm["ip"]).status for vm in azure.vms()]
    assert found == [503, 200]
    wire = [ask(azure.imds, "GET", "/machine?comp=goalstate", source=vm["ip"]).status for vm in azure.vms()]
    assert wire == [200, 200]


def test_the_wire_server_can_fail_too(azure: SimulatedAzure) -> None:
    """By its operations: a status without a body."""
    create(azure, "a", "n-a")
    put(azure, {"what": {"kind": "error", "code": "X", "status": 500}, "operation": "wire"})
    answer = ask(azure.imds, "GET", "/?comp=versions")
    assert (answer.status, answer.text) == (500, b"")


def test_a_clock_that_is_ahead_makes_tokens_expire(azure: SimulatedAzure) -> None:
    """A good token is over at once if Azure's clock is two hours ahead, and good again when it is right."""
    headers = {"Authorization": f"Bearer {token(azure)}"}
    path = f"{vm_path(azure)}?api-version=2024-07-01"
    statuses = []
    for faults in ([], [{"what": {"kind": "clock_skew", "seconds": 7200}}], []):
        put(azure, *faults)
        statuses.append(ask(azure.endpoint, "GET", path, None, headers, azure.ca_file).status)
    assert statuses == [200, 401, 200]


def test_the_simulator_pauses(slow_azure: SimulatedAzure) -> None:
    """Nothing is answered for 30 s, the token endpoint included; then everything is. The control endpoint goes on."""
    put(slow_azure, {"what": {"kind": "pause", "seconds": 30}})
    with at_the_same_time() as begin:
        first = begin(lambda: token(slow_azure))
        until(lambda: hits(slow_azure) == 1, 10)
        slow_azure.advance(10)
        second = begin(lambda: ask(slow_azure.endpoint, "GET", "/common/discovery/instance", ca_file=slow_azure.ca_file))
        until(lambda: hits(slow_azure) == 2, 10)
        slow_azure.advance(19)
        assert not first.done()
        assert not second.done()
        slow_azure.advance(1)
        assert first.result(10)
        assert second.result(10).status == 200


def test_lists_lag_behind(slow_azure: SimulatedAzure) -> None:
    """A VM that was made 5 s ago is not in the list yet, but can be asked for; 20 s after it is."""
    put(slow_azure, {"what": {"kind": "list_lag", "seconds": 20}})
    slow_azure.advance(30)
    create(slow_azure, "a")
    slow_azure.advance(5)
    assert arm(slow_azure, "GET", vm_path(slow_azure)).body["value"] == []
    assert arm(slow_azure, "GET", vm_path(slow_azure, "a")).status == 200
    slow_azure.advance(16)
    assert [vm["name"] for vm in arm(slow_azure, "GET", vm_path(slow_azure)).body["value"]] == ["a"]


def test_a_stop_does_not_wait_for_what_is_held_back() -> None:
    """Lost, delayed and postponed answers: the simulator stops within seconds."""
    began = time.monotonic()
    with simulated_azure(clock=ManualClock()) as azure:
        put(
            azure,
            {"what": {"kind": "lost"}, "vm": "a"},
            {"what": {"kind": "latency", "seconds": 1000}, "vm": "b"},
            {"what": {"kind": "latency", "seconds": 1000, "when": "after"}, "vm": "c"},
        )
        with at_the_same_time() as begin:
            waiting = [begin(lambda name=name: _outcome(azure, name)) for name in "abc"]  # type: ignore[misc]
            until(lambda: sum(found["hits"] for found in azure.control("/faults")["faults"]) == 3, 10)
            azure.run(azure.simulator.stop())
            assert [future.result(10) for future in waiting] == ["gone"] * 3
    assert time.monotonic() - began < 15


def _outcome(azure: SimulatedAzure, name: str) -> str:
    try:
        return str(create(azure, name).status)
    except (OSError, http.client.HTTPException):
        return "gone"


def test_a_pause_that_is_taken_back_lets_all_go(slow_azure: SimulatedAzure) -> None:
    """Who waits is answered at once when the fault is gone, each as it was asked, without the rest of the pause."""
    put(slow_azure, {"name": "asleep", "what": {"kind": "pause", "seconds": 3000}})
    path = "/common/discovery/instance"
    with at_the_same_time() as begin:
        waiting = [begin(lambda: ask(slow_azure.endpoint, "GET", path, ca_file=slow_azure.ca_file)) for _ in range(3)]
        until(lambda: hits(slow_azure, "asleep") == 3, 10)
        slow_azure.advance(10)
        assert not any(one.done() for one in waiting)
        assert control(slow_azure, "DELETE", "/faults/asleep").status == 204
        assert [one.result(10).status for one in waiting] == [200, 200, 200]


def test_what_else_holds_a_request_goes_on_after_a_pause(slow_azure: SimulatedAzure) -> None:
    """Two pauses last as long as the longer one, and a delay comes on top."""
    put(
        slow_azure,
        {"name": "short", "what": {"kind": "pause", "seconds": 10}},
        {"name": "long", "what": {"kind": "pause", "seconds": 20}},
        {"name": "slow", "what": {"kind": "latency", "seconds": 5}, "operation": "login"},
    )
    with at_the_same_time() as begin:
        first = begin(lambda: token(slow_azure))
        until(lambda: hits(slow_azure, "slow") == 1, 10)
        slow_azure.advance(21)
        slow_azure.advance(3)
        assert not first.done()
        slow_azure.advance(3)
        assert first.result(10)
