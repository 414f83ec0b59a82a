"""Azure behind the seam: the real SDK against scripted answers. One request a call, each answer understood, nothing leaked."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.core.exceptions as core
import pytest
from azure.core.credentials import AccessTokenInfo

from slurm_azure.azure.answers import explain
from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.azure.compute import API_VERSION, AzureCompute
from slurm_azure.azure.limits import Limits
from slurm_azure.azure.pipeline import scopes
from slurm_azure.config import Requests
from slurm_azure.errors import CloudError, CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import FailureReason, LaunchId, NodeName, Offer, PoolName, Priority, VmName, VmState
from tests.support.configs import SUBSCRIPTION, a_config
from tests.support.scripted_arm import Answer, Asked, ScriptedArm, error, scripted_arm

PATH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines"
SECOND_PAGE = f"{PATH}?api-version={API_VERSION}&$skiptoken=2"
NAME = VmName("az-1-l1")
ORDER = VmOrder(
    NAME, NodeName("az-1"), LaunchId("l1"), PoolName("hb"), Offer("Standard_F2s_v2"), "#cloud-config\nCANARY-DATA\n"
)
OURS = {"slurm-azure-cluster": "test", "slurm-azure-node": "az-1", "slurm-azure-launch": "l1", "slurm-azure-pool": "hb"}
CREATED = Answer(201, {"name": NAME, "properties": {"provisioningState": "Creating"}}, {"Retry-After": "10"})


class Badge:
    """A credential that hands out numbered tokens."""

    def __init__(self) -> None:
        self.number = 0
        self.renewable = True
        self.asked_for: list[tuple[str, ...]] = []

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.asked_for.append(scopes)
        return AccessTokenInfo(f"CANARY-TOKEN-{self.number}", 2**33)

    def get_token(self, *scopes: str, **_: Any) -> Any:
        raise AssertionError("azure-core prefers get_token_info")

    def renew(self, refused: str) -> bool:
        assert refused == f"CANARY-TOKEN-{self.number}"
        self.number += self.renewable
        return self.renewable

    def close(self) -> None:
        """There is nothing to close."""


class Azure:
    """What a test holds: the seam, what it talks to, and what it did besides."""

    def __init__(self, arm: ScriptedArm) -> None:
        self.arm = arm
        self.badge = Badge()
        self.slept: list[float] = []
        self.heard: list[tuple[Call, int]] = []
        azure = a_config().azure.model_dump(exclude_unset=True)
        self.config = a_config(azure=azure | {"endpoint": arm.endpoint, "ca_file": arm.ca_file})
        self.now = 0.0
        self.limits = Limits(Requests(), lambda: self.now)
        self.when_heard: Callable[[], None] = lambda: None
        self.cloud = AzureCompute(self.config, self.badge, self.limits, self._hear, self.sleep)

    def _hear(self, call: Call, status: int, seconds: float) -> None:
        self.heard.append((call, status))
        self.when_heard()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedArm]:
    with scripted_arm(tmp_path_factory.mktemp("arm")) as arm:
        yield arm


@pytest.fixture
def azure(server: ScriptedArm) -> Iterator[Azure]:
    server.asked.clear()
    server.always = None
    held = Azure(server)
    yield held
    held.cloud.close()
    assert not server._queue, "answers were left over"


def a_vm(name: str = NAME, tags: dict[str, str] | None = None, state: str = "Succeeded", **properties: Any) -> dict[str, Any]:
    """A VM as Azure lists it."""
    tagged = OURS if tags is None else tags
    return {
        "name": name,
        "tags": tagged,
        "zones": ["2"],
        "properties": {
            "provisioningState": state,
            "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
            "timeCreated": "2026-11-21T04:00:00.1234567+00:00",
            **properties,
        },
    }


def an_exception(kind: type[Any]) -> Exception:
    """An instance of an exception class of azure.core, without an answer of Azure's."""
    answer = SimpleNamespace(request="GET x", status_code=200, reason="OK", headers={}, text=lambda: "{", json=dict)
    takes_answer = (core.ODataV4Error, core.StreamConsumedError, core.StreamClosedError, core.ResponseNotReadError)
    argument: Any = answer if issubclass(kind, takes_answer) else "words"
    made: Exception = kind([argument]) if issubclass(kind, core.TooManyRedirectsError) else kind(argument)
    return made


class TestCreate:
    """One PUT, accepted or refused."""

    def test_one_put_that_cannot_update(self, azure: Azure) -> None:
        """A create is one PUT with If-None-Match, the prepared body, our token and name, and nothing after it."""
        azure.arm.answer(CREATED)
        azure.cloud.create(ORDER)
        (asked,) = azure.arm.asked
        assert (asked.method, asked.path) == ("PUT", f"{PATH}/{NAME}")
        assert asked.headers["If-None-Match"] == "*"
        assert asked.headers["Authorization"] == "Bearer CANARY-TOKEN-0"
        assert asked.headers["User-Agent"].startswith("slurm-azure/")
        assert asked.json["tags"] == OURS
        assert azure.badge.asked_for == [(f"{azure.arm.endpoint}/.default",)]

    @pytest.mark.parametrize(
        ("status", "code"),
        [(400, "InvalidParameter"), (403, "AuthorizationFailed"), (404, "ResourceGroupNotFound"), (409, "SkuNotAvailable")],
    )
    def test_refusals_keep_azures_words(self, azure: Azure, status: int, code: str) -> None:
        """Whatever the status, a refusal carries code, message and status; one request, also if Retry-After came with it."""
        azure.arm.answer(error(status, code, "because", Retry_After="60"))
        with pytest.raises(CreateRefused) as caught:
            azure.cloud.create(ORDER)
        assert (caught.value.code, caught.value.message, caught.value.status) == (code, "because", status)
        assert azure.arm.methods() == ["PUT"]
        assert azure.slept == []

    def test_unregistered_provider_is_not_registered_behind_our_back(self, azure: Azure) -> None:
        """The SDK would POST a registration for the whole subscription: it is refused instead, in one request."""
        azure.arm.answer(error(409, "MissingSubscriptionRegistration", "not registered to use namespace 'Microsoft.Compute'"))
        with pytest.raises(CreateRefused, match="MissingSubscriptionRegistration"):
            azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT"]

    def test_existing_vm_of_our_launch_is_accepted(self, azure: Azure) -> None:
        """A VM of that name with our launch's tag is what was asked for: its reply was lost, nothing else."""
        azure.arm.answer(error(412, "PreconditionFailed"), Answer(200, a_vm()))
        azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT", "GET"]

    @pytest.mark.parametrize("tags", [{}, OURS | {"slurm-azure-launch": "l0"}])
    def test_existing_vm_of_somebody_else_is_refused(self, azure: Azure, tags: dict[str, str]) -> None:
        """A VM of that name which is not of this launch is not touched and not called ours."""
        azure.arm.answer(error(412, "PreconditionFailed"), Answer(200, a_vm(tags=tags)))
        with pytest.raises(CreateRefused, match="not of launch l1"):
            azure.cloud.create(ORDER)

    def test_existing_vm_that_is_gone_when_looked_at(self, azure: Azure) -> None:
        """There, and gone a moment later: nothing is known, the next list tells."""
        azure.arm.answer(error(412, "PreconditionFailed"), error(404, "ResourceNotFound"))
        with pytest.raises(CloudUnreachable):
            azure.cloud.create(ORDER)

    @pytest.mark.parametrize("fault", [Answer(cut=True), error(500, "InternalExecutionError"), error(408, "Timeout")])
    def test_fault_is_tried_again(self, azure: Azure, fault: Answer) -> None:
        """A transport fault or 5xx is tried again after a short while; the second answer counts."""
        azure.arm.answer(fault, CREATED)
        azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT", "PUT"]
        assert azure.slept == [0.5]

    def test_broken_reply_to_a_create_that_worked(self, azure: Azure) -> None:
        """The reply breaks off, the second try meets our own VM: accepted, and made once."""
        azure.arm.answer(Answer(201, {"name": NAME}, short=True), error(412, "PreconditionFailed"), Answer(200, a_vm()))
        azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT", "PUT", "GET"]

    def test_faults_end_after_three_tries(self, azure: Azure) -> None:
        """Three tries within seconds, then it is unreachable: it may or may not have been made."""
        azure.arm.answer(*[error(503, "ServiceUnavailable")] * 3)
        with pytest.raises(CloudUnreachable, match="503 ServiceUnavailable"):
            azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT"] * 3
        assert sum(azure.slept) < 5

    def test_short_retry_after_of_a_fault_is_obeyed(self, azure: Azure) -> None:
        """A 503 that asks for 4 s gets 4 s."""
        azure.arm.answer(error(503, "ServerBusy", Retry_After="4"), CREATED)
        azure.cloud.create(ORDER)
        assert azure.slept == [4.0]

    def test_long_retry_after_of_a_fault_is_not_slept(self, azure: Azure) -> None:
        """A 503 that asks for 20 minutes pauses creates; the call itself ends at once."""
        azure.arm.answer(error(503, "ServerBusy", Retry_After="1200"))
        with pytest.raises(CloudUnreachable, match="1200 s"):
            azure.cloud.create(ORDER)
        assert azure.slept == []
        assert azure.cloud.reserve(Call.CREATE) == pytest.approx(1200)

    def test_further_tries_need_tokens(self, azure: Azure) -> None:
        """A try after a fault is a request like any other: it waits for its token, and if that takes long, not at all."""
        azure.when_heard = lambda: azure.limits.pause(Call.CREATE, 3)
        azure.arm.answer(error(500, "InternalError"), CREATED)
        azure.cloud.create(ORDER)
        assert azure.slept == [0.5, pytest.approx(2.5)]
        azure.now += 3
        azure.when_heard = lambda: azure.limits.pause(Call.CREATE, 600)
        azure.arm.answer(error(500, "InternalError"))
        with pytest.raises(CloudUnreachable):
            azure.cloud.create(ORDER)
        with pytest.raises(Throttled):
            azure.cloud.create(ORDER)  # not even sent

    def test_throttled_at_once(self, azure: Azure) -> None:
        """A 429 is one request, no sleep, and pauses creates alone for as long as Azure says."""
        azure.arm.answer(error(429, "TooManyRequests", Retry_After="120"))
        with pytest.raises(Throttled) as caught:
            azure.cloud.create(ORDER)
        assert caught.value.retry_after == 120
        assert azure.arm.methods() == ["PUT"]
        assert azure.slept == []
        assert azure.cloud.reserve(Call.CREATE) == pytest.approx(120)
        assert azure.cloud.reserve(Call.DELETE) == 0

    def test_computes_own_throttling_has_no_envelope(self, azure: Azure) -> None:
        """Compute's 429 says OperationNotAllowed without `error` around it: throttled, and no quota."""
        detail = {"code": "TooManyRequests", "target": "PutVM", "message": "{}"}
        body = {"code": "OperationNotAllowed", "message": "too many requests", "details": [detail]}
        azure.arm.answer(Answer(429, body, {"Retry-After": "1200"}))
        with pytest.raises(Throttled):
            azure.cloud.create(ORDER)

    def test_busy_network_does_not_pause_creates(self, azure: Azure) -> None:
        """RetryableError means the subnet was busy: this VM has to come back, the budget is not used up."""
        azure.arm.answer(error(429, "RetryableErrorDueToAnotherOperation", Retry_After="5"))
        with pytest.raises(Throttled):
            azure.cloud.create(ORDER)
        assert azure.cloud.reserve(Call.CREATE) == 0

    @pytest.mark.parametrize("second", [error(429, "TooManyRequests", Retry_After="9"), Answer(401, {})])
    def test_doubt_survives_a_clear_second_answer(self, azure: Azure, second: Answer) -> None:
        """After a fault, 'throttled' or 'refused credential' no longer means that nothing was made."""
        azure.badge.renewable = False
        azure.arm.answer(Answer(cut=True), second)
        with pytest.raises(CloudUnreachable):
            azure.cloud.create(ORDER)

    def test_refusal_after_a_fault_is_checked_against_the_vm(self, azure: Azure) -> None:
        """After a fault a refusal counts only if the VM is not there."""
        quota = error(409, "OperationNotAllowed", "exceeding approved LowPriorityCores quota")
        azure.arm.answer(error(500, "InternalError"), quota, Answer(200, a_vm()))
        azure.cloud.create(ORDER)
        azure.arm.answer(error(500, "InternalError"), quota, error(404, "ResourceNotFound"))
        with pytest.raises(CreateRefused, match="LowPriorityCores"):
            azure.cloud.create(ORDER)
        azure.arm.answer(error(500, "InternalError"), quota, error(429, "TooManyRequests", Retry_After="1"))
        with pytest.raises(CloudUnreachable):
            azure.cloud.create(ORDER)

    def test_proxy_page_is_no_answer(self, azure: Azure) -> None:
        """A 403 that is no answer of Azure's refuses nothing: the proxy's name is looked for, not the role."""
        azure.arm.answer(Answer(403, b"<html>blocked by proxy</html>", {"Content-Type": "text/html"}))
        with pytest.raises(CloudUnreachable, match=r"blocked by proxy.*does not come from Azure"):
            azure.cloud.create(ORDER)

    def test_redirect_is_not_followed(self, azure: Azure) -> None:
        """An answer that points elsewhere does not get our token sent there."""
        azure.arm.answer(Answer(307, None, {"Location": "https://elsewhere.example/"}))
        with pytest.raises(CloudUnreachable):
            azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT"]

    @pytest.mark.parametrize("after", ["Sat, 21 Nov 2026 05:00:30 GMT", "1.5", "soon"])
    def test_accepted_with_a_header_the_sdk_cannot_read(self, azure: Azure, after: str) -> None:
        """A Retry-After that is no whole number makes the SDK fail after Azure has accepted: it does not get to see it."""
        azure.arm.answer(Answer(201, {"name": NAME}, {"Retry-After": after}))
        azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT"]


class TestToken:
    """Tokens that Azure does not accept."""

    def test_refused_token_is_renewed_once(self, azure: Azure) -> None:
        """A 401 gets one more try with a new token."""
        azure.arm.answer(Answer(401, {}, {"WWW-Authenticate": 'Bearer error="invalid_token"'}), CREATED)
        azure.cloud.create(ORDER)
        assert [asked.headers["Authorization"][-1] for asked in azure.arm.asked] == ["0", "1"]

    def test_new_token_refused_too(self, azure: Azure) -> None:
        """If the new token is refused as well, the credential is: no third try."""
        refused = Answer(401, {"error": {"code": "InvalidAuthenticationToken", "message": "m"}}, {"WWW-Authenticate": "Bearer"})
        azure.arm.answer(refused, refused)
        with pytest.raises(CredentialRefused, match="InvalidAuthenticationToken"):
            azure.cloud.create(ORDER)
        assert azure.arm.methods() == ["PUT", "PUT"]

    def test_token_goes_to_the_endpoint_alone(self) -> None:
        """For an endpoint of our own a token is asked that is of no use at Microsoft's; national clouds have their own."""
        assert scopes("https://127.0.0.1:8443/") == ["https://127.0.0.1:8443/.default"]
        assert scopes("https://management.azure.com") == ["https://management.azure.com/.default"]
        assert scopes("https://management.usgovcloudapi.net") == ["https://management.core.usgovcloudapi.net/.default"]
        assert scopes("https://management.chinacloudapi.cn/") == ["https://management.chinacloudapi.cn/.default"]


class TestDelete:
    """One DELETE, until it is gone."""

    @pytest.mark.parametrize(
        ("answer", "gone"),
        [
            (Answer(202, None, {"Location": "https://x/op", "Retry-After": "10"}), False),
            (Answer(204), True),
            (Answer(200, {}), True),
            (error(404, "ResourceNotFound"), True),
            (error(409, "OperationNotAllowed", "not allowed on VM 'x' since the VM is marked for deletion."), False),
        ],
    )
    def test_gone_or_going(self, azure: Azure, answer: Answer, gone: bool) -> None:
        """204 and 'not found' mean gone, 202 and 'marked for deletion' mean going; always one forced DELETE."""
        azure.arm.answer(answer)
        assert azure.cloud.delete(NAME) is gone
        (asked,) = azure.arm.asked
        assert (asked.method, asked.path, asked.query["forceDeletion"]) == ("DELETE", f"{PATH}/{NAME}", ["true"])

    @pytest.mark.parametrize(
        ("answer", "raised"),
        [
            (error(429, "TooManyRequests", Retry_After="7"), Throttled),
            (error(403, "AuthorizationFailed"), CredentialRefused),
            (error(404, "ResourceGroupNotFound"), CloudUnreachable),
            (error(404, "SubscriptionNotFound"), CloudUnreachable),
            (error(409, "ScopeLocked", "locked"), CloudUnreachable),
            (Answer(404, b"<html>not here</html>", {"Content-Type": "text/html"}), CloudUnreachable),
        ],
    )
    def test_what_does_not_mean_gone(self, azure: Azure, answer: Answer, raised: type[CloudError]) -> None:
        """No answer but Azure's own 'this VM is not there' counts as gone: not a proxy's 404, not a missing group."""
        azure.arm.answer(answer)
        with pytest.raises(raised):
            azure.cloud.delete(NAME)
        assert azure.arm.methods() == ["DELETE"]


class TestList:
    """All of ours, or an error."""

    def test_pages_are_followed(self, azure: Azure) -> None:
        """Every page is read, in one request each; foreign VMs are left out."""
        link = f"{azure.arm.endpoint}{PATH}?api-version={API_VERSION}&$skiptoken=x%20y"
        azure.arm.answer(
            Answer(200, {"value": [a_vm("a"), a_vm("alien", tags={"slurm-azure-cluster": "other"})], "nextLink": link}),
            Answer(200, {"value": [a_vm("none", tags={}), a_vm("b")]}),
        )
        assert [vm.name for vm in azure.cloud.list()] == ["a", "b"]
        assert [asked.query.get("$skiptoken") for asked in azure.arm.asked] == [None, ["x y"]]

    def test_what_a_vm_says(self, azure: Azure) -> None:
        """Names and states come out of tags and properties."""
        azure.arm.answer(Answer(200, {"value": [a_vm(priority="Spot", state="Failed")]}))
        (vm,) = azure.cloud.list()
        assert (vm.node, vm.launch, vm.pool, vm.state) == ("az-1", "l1", "hb", VmState.FAILED)
        assert (vm.size, vm.zone, vm.priority, vm.created_at) == ("Standard_F2s_v2", "2", Priority.SPOT, 1795233600.123456)

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            ("Creating", VmState.CREATING),
            ("Deleting", VmState.DELETING),
            ("Canceled", VmState.FAILED),
            ("Migrating", VmState.OTHER),
        ],
    )
    def test_states(self, azure: Azure, said: str, state: VmState) -> None:
        """Azure's states are the few that matter, and OTHER."""
        azure.arm.answer(Answer(200, {"value": [a_vm(state=said)]}))
        assert [vm.state for vm in azure.cloud.list()] == [state]

    def test_a_name_in_another_case_is_the_same_vm(self, azure: Azure) -> None:
        """Azure's names are of any case: one that it sends in another than ours is no stranger to its launch."""
        azure.arm.answer(Answer(200, {"value": [a_vm(NAME.upper()), a_vm("Other")]}))
        assert [vm.name for vm in azure.cloud.list()] == [NAME, "Other"]

    def test_missing_tags_and_other_case(self, azure: Azure) -> None:
        """A VM of ours whose other tags were taken away is still ours; tag names come in any case."""
        bare = a_vm("bare", tags={"Slurm-Azure-Cluster": "test"})
        del bare["zones"], bare["properties"]["timeCreated"]
        azure.arm.answer(Answer(200, {"value": [bare]}))
        (vm,) = azure.cloud.list()
        assert (vm.node, vm.launch, vm.pool, vm.zone, vm.created_at) == ("", "", "", None, None)

    def test_one_odd_vm_does_not_hide_the_others(self, azure: Azure) -> None:
        """Without properties, or with a time that is none, a VM is still there, and so are those beside it."""
        odd = [a_vm("late", timeCreated="soon"), a_vm("bare")]
        del odd[1]["properties"]
        azure.arm.answer(Answer(200, {"value": [*odd, a_vm(NAME)]}))
        seen = {vm.name: (vm.state, vm.created_at is not None) for vm in azure.cloud.list()}
        assert seen == {"late": (VmState.SUCCEEDED, False), "bare": (VmState.OTHER, False), NAME: (VmState.SUCCEEDED, True)}

    def test_api_version_is_the_sdks(self, azure: Azure) -> None:
        """The list, which does not go through the SDK's models, asks for the version that the SDK's own calls ask for."""
        azure.arm.answer(CREATED, Answer(200, {"value": []}))
        azure.cloud.create(ORDER)
        azure.cloud.list()
        assert {tuple(asked.query["api-version"]) for asked in azure.arm.asked} == {(API_VERSION,)}

    @pytest.mark.parametrize(
        "second",
        [
            error(429, "TooManyRequests", Retry_After="1200"),
            error(403, "AuthorizationFailed"),
            error(404, "ResourceGroupNotFound"),
            Answer(200, {"values": []}),
            Answer(200, {"value": None}),
            Answer(200, {"value": [{"tags": OURS}]}),
            Answer(200, {"value": ["x"]}),
            Answer(200, [1, 2]),
            Answer(200, b"<html>", {"Content-Type": "text/html"}),
        ],
    )
    def test_half_a_list_is_no_list(self, azure: Azure, second: Answer) -> None:
        """Whatever goes wrong on the second page, the first page's VMs are not shown as all there are."""
        azure.arm.answer(Answer(200, {"value": [a_vm()], "nextLink": f"{azure.arm.endpoint}{SECOND_PAGE}"}), second)
        with pytest.raises((Throttled, CredentialRefused, CloudUnreachable)):
            azure.cloud.list()

    def test_page_that_breaks_off_is_asked_again(self, azure: Azure) -> None:
        """A page that ends in the middle is a fault like any other."""
        azure.arm.answer(Answer(200, {"value": [a_vm()]}, short=True), Answer(200, {"value": [a_vm()]}))
        assert len(azure.cloud.list()) == 1

    @pytest.mark.parametrize("link", ["https://elsewhere.example/x", "http://127.0.0.1/x", "nonsense"])
    def test_link_to_elsewhere_is_not_followed(self, azure: Azure, link: str) -> None:
        """Our token is not sent to a host that only an answer names."""
        azure.arm.answer(Answer(200, {"value": [], "nextLink": link}))
        with pytest.raises(CloudUnreachable, match="goes on at"):
            azure.cloud.list()

    def test_a_list_that_goes_in_circles_ends(self, azure: Azure) -> None:
        """A link to a page that was there before is an error at once: it would use up the budget of reads, again and again."""
        link = f"{azure.arm.endpoint}{SECOND_PAGE}"
        azure.arm.answer(*(Answer(200, {"value": [], "nextLink": link}) for _ in range(2)))
        with pytest.raises(CloudUnreachable, match="circles"):
            azure.cloud.list()
        assert len(azure.arm.asked) == 2

    def test_pages_after_the_first_need_tokens(self, azure: Azure) -> None:
        """Each further page takes a token of its own; a pause in the middle ends the list with an error."""

        def throttle(asked: Asked) -> Answer:
            azure.limits.pause(Call.LIST, 600)
            return Answer(200, {"value": [], "nextLink": f"{azure.arm.endpoint}{SECOND_PAGE}"})

        azure.arm.answer(throttle)
        with pytest.raises(Throttled):
            azure.cloud.list()


class TestWhyFailed:
    """What the instance view says."""

    def view(self, *statuses: dict[str, str]) -> Answer:
        return Answer(200, {"statuses": list(statuses)})

    def test_cause_is_in_the_status_code(self, azure: Azure) -> None:
        """ProvisioningState/failed/CODE is the cause, its message the words."""
        cause = {"code": "ProvisioningState/failed/ZonalAllocationFailed", "message": "Allocation failed."}
        azure.arm.answer(self.view({"code": "PowerState/stopped"}, cause))
        failure = azure.cloud.why_failed(NAME)
        assert failure is not None
        assert (failure.reason, failure.detail[:41]) == (FailureReason.CAPACITY, "ZonalAllocationFailed: Allocation failed.")
        assert azure.arm.asked[0].path == f"{PATH}/{NAME}/instanceView"

    @pytest.mark.parametrize(
        "statuses", [(), ({"code": "ProvisioningState/succeeded"},), ({"code": "ProvisioningState/failed"},)]
    )
    def test_no_cause(self, azure: Azure, statuses: tuple[dict[str, str], ...]) -> None:
        """A view without a cause is said to have none."""
        azure.arm.answer(self.view(*statuses))
        failure = azure.cloud.why_failed(NAME)
        assert failure is not None
        assert failure.reason is FailureReason.UNKNOWN

    def test_gone_is_none(self, azure: Azure) -> None:
        """A VM that is not there any more has no cause; one that cannot be seen is something else."""
        azure.arm.answer(error(404, "ResourceNotFound"), error(404, "ResourceGroupNotFound"))
        assert azure.cloud.why_failed(NAME) is None
        with pytest.raises(CloudUnreachable):
            azure.cloud.why_failed(NAME)


class TestEverything:
    """What holds for all calls."""

    def test_every_exception_of_the_sdk_is_one_of_ours(self) -> None:
        """Each exception class of azure.core becomes one of the seam's, by introspection: none is forgotten."""
        kinds = {
            kind for _, kind in inspect.getmembers(core, inspect.isclass) if issubclass(kind, core.AzureError | ValueError)
        }
        assert len(kinds) >= 17
        for kind in kinds:
            assert isinstance(explain(Limits(Requests()), Call.LIST, "x", an_exception(kind)), CloudUnreachable), kind

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 418, 429, 500, 501, 502, 503, 504])
    def test_every_status_is_one_of_ours(self, azure: Azure, status: int) -> None:
        """Each error status comes out of each call as something the seam allows, and of a list never as a list."""
        azure.badge.renewable = False
        azure.arm.always = lambda asked: error(status, "SomeCode", Retry_After="1")
        with pytest.raises((CreateRefused, Throttled, CredentialRefused, CloudUnreachable)):
            azure.cloud.create(ORDER)
        azure.now += 60
        for call in (lambda: azure.cloud.delete(NAME), azure.cloud.list, lambda: azure.cloud.why_failed(NAME)):
            with pytest.raises((Throttled, CredentialRefused, CloudUnreachable)):
                call()

    def test_remaining_budget_is_believed(self, azure: Azure) -> None:
        """An answer that says 3 writes are left leaves 3, whoever used the others."""
        azure.arm.answer(Answer(201, {}, {"x-ms-ratelimit-remaining-subscription-writes": "3"}))
        azure.cloud.create(ORDER)
        assert azure.limits.tokens(Call.CREATE) == 3

    def test_each_answer_is_heard_of(self, azure: Azure) -> None:
        """Each request is counted by kind and status; one without an answer as 0."""
        azure.arm.answer(Answer(cut=True), error(500, "InternalError"), CREATED, Answer(204), Answer(200, {"value": []}))
        azure.cloud.create(ORDER)
        azure.cloud.delete(NAME)
        azure.cloud.list()
        assert azure.heard == [(Call.CREATE, 0), (Call.CREATE, 500), (Call.CREATE, 201), (Call.DELETE, 204), (Call.LIST, 200)]

    def test_nothing_is_logged_that_is_nobodys_business(self, azure: Azure, caplog: pytest.LogCaptureFixture) -> None:
        """With every logger at DEBUG, no body, no user data and no token is in any record."""
        caplog.set_level(logging.DEBUG)
        refused = Answer(401, {}, {"WWW-Authenticate": "Bearer"})
        azure.arm.answer(refused, CREATED, Answer(200, {"value": [a_vm(tags=OURS | {"x": "CANARY-BODY"})]}), Answer(202))
        azure.cloud.create(ORDER)
        azure.cloud.list()
        azure.cloud.delete(NAME)
        assert "CANARY" not in caplog.text
        assert "customData" not in caplog.text

    def test_errors_hold_no_token(self, azure: Azure) -> None:
        """An answer that quotes our token does not get it into an error."""
        token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
        azure.arm.answer(error(400, "InvalidParameter", f"Bearer {token}"), Answer(403, f"<p>{token}</p>".encode()))
        for call in (azure.cloud.delete, azure.cloud.why_failed):
            with pytest.raises(CloudUnreachable) as caught:
                call(NAME)
            assert token not in str(caught.value)

    def test_many_threads_at_once(self, azure: Azure) -> None:
        """Sixteen threads create at once: each VM once, no error, one connection a thread."""
        azure.arm.always = lambda asked: CREATED
        errors: list[Exception] = []

        def create(number: int) -> None:
            for turn in range(5):
                name = VmName(f"vm-{number}-{turn}")
                try:
                    azure.cloud.create(VmOrder(name, ORDER.node, ORDER.launch, ORDER.pool, ORDER.offer, ""))
                except Exception as error:
                    errors.append(error)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len({asked.path for asked in azure.arm.asked}) == len(azure.arm.asked) == 80

    def test_an_answer_that_drips_has_an_end(self, server: ScriptedArm) -> None:
        """Each byte comes in time, the whole never does: the call ends (after three times the patience with a single read), so
        that a list is not under way for ever."""
        held = Azure(server)
        impatient = AzureCompute(held.config, held.badge, held.limits, sleep=held.sleep, read_timeout=0.2)
        server.answer(*[Answer(200, {"value": [], "words": "x" * 500}, drip=0.05)] * 3)
        began = time.monotonic()
        with pytest.raises(CloudUnreachable):
            impatient.list()
        impatient.close()
        assert time.monotonic() - began < 10

    def test_nobody_there(self, azure: Azure, tmp_path: Path) -> None:
        """A server that is not there is unreachable, after three tries."""
        with scripted_arm(tmp_path) as gone:
            held = Azure(gone)
        with pytest.raises(CloudUnreachable):
            held.cloud.list()
        assert [status for _, status in held.heard] == [0, 0, 0]
