"""Azure's error codes become reasons with remedies; what is not known keeps its own words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.azure.failures import DETAIL_LIMIT, RULES, addressed, classify, find_rule, innermost, one_line
from slurm_azure.model import Blame, Failure, PoolName
from slurm_azure.model import FailureReason as R
from slurm_azure.model import Scope as S
from slurm_azure.simulator.faults.catalog import NAMED, filled

QUOTA = (
    "Operation could not be completed as it results in exceeding approved {what} quota. Additional details - Deployment "
    "Model: Resource Manager, Location: eastus, Current Limit: 100, Current Usage: 96, Additional Required: 64, (Minimum) "
    "New Limit Required: 160. Submit a request for Quota increase at https://aka.ms/ProdportalCRP/."
)

REAL = [
    # (code, message as Azure words it, reason, what the remedy names)
    ("OperationNotAllowed", QUOTA.format(what="standardDASv5Family Cores"), R.QUOTA, "VM family"),
    ("OperationNotAllowed", QUOTA.format(what="Total Regional Cores"), R.QUOTA, "region"),
    ("OperationNotAllowed", QUOTA.format(what="LowPriorityCores"), R.QUOTA, "Spot"),
    ("QuotaExceeded", "Public IP limit reached.", R.QUOTA, "quota"),
    (
        "SkuNotAvailable",
        "The requested size for resource 'x' is currently not available in location 'westus' zones '1'.",
        R.CAPACITY,
        "zone",
    ),
    (
        "SkuNotAvailable",
        "The requested tier for resource 'x' is currently not available in location 'westus'.",
        R.CAPACITY,
        "zone",
    ),
    (
        "AllocationFailed",
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region.",
        R.CAPACITY,
        "size",
    ),
    ("ZonalAllocationFailed", "Allocation failed. We do not have sufficient capacity in this zone.", R.CAPACITY, "zone"),
    (
        "OverconstrainedZonalAllocationRequest",
        "Allocation failed. VM(s) with the following constraints\n  - VM Size\n",
        R.CAPACITY,
        "constraint",
    ),
    (
        "SpotPriceGreaterThanProvidedMaxPrice",
        "the provided max price '0.1 USD' is lower than the current",
        R.SPOT_PRICE,
        "max_price",
    ),
    (
        "AzureSpotIsNotSupportedForThisVMSize",
        "Azure Spot is not supported for this VM size Standard_B1s.",
        R.CONFIGURATION,
        "on-demand",
    ),
    (
        "SubnetIsFull",
        "Subnet burst with address prefix 10.0.0.0/24 does not have enough capacity for 1 IP addresses.",
        R.NETWORK,
        "addresses",
    ),
    (
        "BadRequest",
        "Subnet burst with address prefix 10.0.0.0/24 does not have enough capacity for 1 IP addresses.",
        R.NETWORK,
        "addresses",
    ),
    ("RetryableError", "A retryable error occurred.", R.TRANSIENT, "next launch"),
    ("PlatformImageNotFound", "The platform image 'a:b:c:latest' is not available.", R.IMAGE, "image"),
    (
        "VMMarketplaceInvalidInput",
        "Creating a virtual machine from Marketplace image requires Plan information.",
        R.IMAGE,
        "image.plan",
    ),
    ("InvalidParameter", "The selected VM size cannot boot Hypervisor Generation '1'.", R.IMAGE, "image"),
    (
        "InvalidParameter",
        "The requested VM size Standard_Nope is not available in the current region.",
        R.CONFIGURATION,
        "sizes",
    ),
    ("InvalidParameter", "Linux host name cannot exceed 64 characters in length.", R.CONFIGURATION, "pools.NAME"),
    ("OSProvisioningTimedOut", "OS Provisioning for VM 'x' did not finish in the allotted time.", R.BOOT, "why NODE --console"),
    ("OSProvisioningClientError", "OS Provisioning failed for VM 'x' due to an internal error.", R.IMAGE, "cloud-init"),
    ("RequestDisallowedByPolicy", "Resource 'x' was disallowed by policy.", R.POLICY, "policy"),
    ("ScopeLocked", "The scope cannot perform write operation because following scope(s) are locked.", R.POLICY, "lock"),
    (
        "AuthorizationFailed",
        "The client 'c' with object id 'o' does not have authorization to perform action",
        R.PERMISSION,
        "role",
    ),
    (
        "LinkedAuthorizationFailed",
        "... does not have permission to perform action 'subnets/join/action'",
        R.PERMISSION,
        "subnet",
    ),
    (
        "MissingSubscriptionRegistration",
        "The subscription is not registered to use namespace 'Microsoft.Compute'.",
        R.CONFIGURATION,
        "register",
    ),
    ("ResourceGroupNotFound", "Resource group 'rg' could not be found.", R.CONFIGURATION, "resource_group"),
]


@pytest.mark.parametrize(("code", "message", "reason", "remedy"), REAL)
def test_real_errors(code: str, message: str, reason: R, remedy: str) -> None:
    """Errors as Azure words them come out with the right reason, its code, and a remedy that names what to change."""
    failure = classify(code, message, 409)
    assert failure.reason is reason
    assert failure.detail.startswith(f"{code}: ")
    assert remedy in failure.detail[failure.detail.rindex("[") :]


def test_the_remedy_names_the_pools_key() -> None:
    """An administrator reads which key it is; Azure's own words are left alone."""
    found = classify("ImageNotFound", "Image pools.NAME was not found")
    assert addressed(found, PoolName("hb")).detail == "ImageNotFound: Image pools.NAME was not found [see pools.hb.image]"
    strange = classify("Odd", "no pools.NAME")
    assert addressed(strange, PoolName("hb")) == strange


def test_code_in_any_case() -> None:
    """Azure is not consistent in the case of its codes."""
    assert classify("allocationfailed", "no room").reason is R.CAPACITY


def test_unknown_code_keeps_its_words() -> None:
    """A code that nobody has seen before is shown as Azure sent it."""
    failure = classify("FluxCapacitorEmpty", "Needs 1.21 gigawatts.", 409)
    assert failure == Failure(R.UNKNOWN, "FluxCapacitorEmpty: Needs 1.21 gigawatts.", S.OFFER, Blame.CONFIGURATION)


def test_no_code_shows_the_status() -> None:
    """An answer without any error code is at least named by its status."""
    assert classify("", "<html>", 418).detail == "HTTP 418: <html>"


def test_operation_not_allowed_is_not_always_quota() -> None:
    """The code that quotas share also stands for 'marked for deletion': that is not called a quota."""
    message = "Operation 'write' is not allowed on VM 'x' since the VM is marked for deletion."
    failure = classify("OperationNotAllowed", message)
    assert (failure.reason, failure.scope) == (R.TRANSIENT, S.LAUNCH)


ZONES = "The requested size for resource 'x' is currently not available in location 'westus' zones '{}' for subscription 's'."
POLICY = 'Resource \'az-image-1\' was disallowed by policy. Policy identifiers: \'[{{"policyAssignment":{{"name":"{}"}}}}]\'.'
LINKED = "... it does not have permission to perform action '{}' on the linked scope(s) '/subscriptions/s' ..."

SCOPES = [
    # (code, message, what cools down, whose affair it is)
    ("OperationNotAllowed", QUOTA.format(what="standardDASv5Family Cores"), S.SIZE, Blame.QUOTA),
    ("OperationNotAllowed", QUOTA.format(what="LowPriorityCores"), S.SIZE, Blame.QUOTA),
    ("SkuNotAvailable", ZONES.format("2"), S.OFFER, Blame.CAPACITY),
    ("SkuNotAvailable", ZONES.format(""), S.SIZE, Blame.CAPACITY),
    ("ZonalAllocationFailed", "Allocation failed.", S.OFFER, Blame.CAPACITY),
    ("AllocationFailed", "Allocation failed. We do not have sufficient capacity in this region.", S.SIZE, Blame.CAPACITY),
    ("AllocationFailed", "Allocation failed. We do not have sufficient capacity in this zone.", S.OFFER, Blame.CAPACITY),
    ("AzureSpotFeatureNotEnabledForSubscription", "Subscription not enabled.", S.PRIORITY, Blame.CONFIGURATION),
    ("PlatformImageNotFound", "gone", S.POOL, Blame.IMAGE),
    ("OSProvisioningClientError", "not generalized", S.LAUNCH, Blame.IMAGE),
    ("InvalidParameter", "The requested VM size X is not available in the current region.", S.SIZE, Blame.CONFIGURATION),
    ("InvalidParameter", "Linux host name cannot exceed 64 characters.", S.POOL, Blame.CONFIGURATION),
    ("AvailabilityZoneNotSupported", "The zone(s) '3' is not supported.", S.OFFER, Blame.CONFIGURATION),
    ("SubnetIsFull", "Subnet s", S.SITE, Blame.CONFIGURATION),
    ("AuthorizationFailed", "no", S.SITE, Blame.PERMISSION),
    (
        "LinkedAuthorizationFailed",
        LINKED.format("Microsoft.Network/virtualNetworks/subnets/join/action"),
        S.SITE,
        Blame.PERMISSION,
    ),
    ("LinkedAuthorizationFailed", LINKED.format("Microsoft.Compute/images/read"), S.POOL, Blame.PERMISSION),
    ("RequestDisallowedByPolicy", POLICY.format("Allowed virtual machine size SKUs"), S.SIZE, Blame.POLICY),
    ("RequestDisallowedByPolicy", POLICY.format("Require a tag on resources"), S.POOL, Blame.POLICY),
    ("RequestDisallowedByPolicy", POLICY.format("Allowed locations"), S.SITE, Blame.POLICY),
    ("OperationNotAllowed", "too many requests have been received for this subscription", S.LAUNCH, Blame.THROTTLING),
    ("InternalExecutionError", "An internal execution error occurred.", S.LAUNCH, Blame.TRANSIENT),
]


@pytest.mark.parametrize(("code", "message", "scope", "blame"), SCOPES)
def test_what_a_failure_speaks_of(code: str, message: str, scope: S, blame: Blame) -> None:
    """One zone, one size, all of Spot, the pool or the site: code and words tell what else would fail, and by whose doing."""
    failure = classify(code, message, 409)
    assert (failure.scope, failure.blame) == (scope, blame)


@pytest.mark.parametrize("name", [name for name, error in NAMED.items() if error.body == "json"])
def test_each_code_that_azure_is_known_to_send_has_a_row(name: str) -> None:
    """No error of the simulator's catalogue, as it is worded there, is left to chance."""
    error = NAMED[name]
    facts = {"size": "Standard_D2s_v5", "tier": "size", "zones": "1", "vm": "az-1-x", "family": "standardDSv5Family"}
    assert find_rule(error.code, filled(error.message, facts)) is not None


@pytest.mark.parametrize(
    ("status", "reason", "scope"),
    [(503, R.TRANSIENT, S.LAUNCH), (429, R.TRANSIENT, S.LAUNCH), (401, R.PERMISSION, S.SITE), (409, R.UNKNOWN, S.OFFER)],
)
def test_a_strange_code_is_judged_by_its_status(status: int, reason: R, scope: S) -> None:
    """A gateway's own page, or a code from tomorrow: the HTTP status says at least whether Azure had a fault."""
    failure = classify("Tomorrow", "<html>", status)
    assert (failure.reason, failure.scope) == (reason, scope)


def test_long_message_keeps_the_remedy() -> None:
    """However long Azure's words are, code and remedy stay in the one line that Slurm shows."""
    detail = classify("SubnetIsFull", "word " * 500).detail
    assert len(detail) <= DETAIL_LIMIT
    assert detail.startswith("SubnetIsFull: word")
    assert detail.endswith("[give the subnet more addresses (Azure keeps five of each)]")


@given(st.text(), st.text(), st.integers(0, 599))
def test_any_words_make_one_short_line(code: str, message: str, status: int) -> None:
    """No error text breaks the line, its length or the classification."""
    detail = classify(code, message, status).detail
    assert len(detail) <= DETAIL_LIMIT
    assert detail.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", detail)


class TestTable:
    """The table itself."""

    def test_no_row_stands_behind_one_that_takes_everything(self) -> None:
        """A row for a code is reachable: no earlier row takes that code whatever the words."""
        taken: set[str] = set()
        for rule in RULES:
            for code in rule.codes:
                assert code.lower() not in taken, f"{code} is taken by an earlier row"
            if not rule.words:
                taken |= {code.lower() for code in rule.codes}

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.codes[0])
    def test_each_row_has_a_remedy(self, rule: object) -> None:
        """Each row says what to do, short enough to leave room for Azure's words."""
        remedy = rule.remedy  # type: ignore[attr-defined]
        assert 0 < len(remedy) <= 120
        assert not set(remedy) & set("[]\n")

    def test_reasons_that_azure_gives_are_all_there(self) -> None:
        """Each reason that can come from Azure's answers has a row."""
        ours = {R.EVICTED, R.JOIN_TIMEOUT, R.VANISHED, R.MAINTENANCE, R.BUDGET, R.PAUSED, R.JOB, R.UNKNOWN}
        assert {rule.reason for rule in RULES} == set(R) - ours

    def test_find_rule_of_nothing(self) -> None:
        """An empty code matches no row."""
        assert find_rule("", "quota") is None


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner) | st.dictionaries(st.sampled_from(["error", "code", "message", "details"]), inner)


class TestInnermost:
    """Finding the cause inside error bodies."""

    def test_plain_error(self) -> None:
        """ARM's usual envelope."""
        assert innermost({"error": {"code": "SkuNotAvailable", "message": "m"}}) == ("SkuNotAvailable", "m")

    def test_error_without_envelope(self) -> None:
        """Compute's own 429 has no envelope."""
        assert innermost({"code": "OperationNotAllowed", "message": "m"}) == ("OperationNotAllowed", "m")

    def test_wrapped_error(self) -> None:
        """A deployment's wrapper gives way to the cause in its details, however deep."""
        cause = {"code": "ZonalAllocationFailed", "message": "m"}
        inner = {"code": "ResourceDeploymentFailure", "details": [cause]}
        wrapped = {"error": {"code": "DeploymentFailed", "message": "w", "details": [inner]}}
        assert innermost(wrapped) == ("ZonalAllocationFailed", "m")

    def test_known_code_is_not_replaced(self) -> None:
        """Where the outer code says enough, details do not take its place."""
        error = {"code": "SubnetIsFull", "message": "m", "details": [{"code": "Other", "message": "n"}]}
        assert innermost(error) == ("SubnetIsFull", "m")

    @given(st.recursive(st.none() | st.text() | st.integers(), _nested))
    def test_any_body_is_survived(self, body: object) -> None:
        """Whatever JSON stands in an error body, two texts come out."""
        code, message = innermost(body)
        assert isinstance(code, str)
        assert isinstance(message, str)


class TestOneLine:
    """Making text fit for a node's Reason."""

    @pytest.mark.parametrize(
        "text",
        [
            "Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL20ifQ.c2lnbmF0dXJlcw was refused",
            "token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL20ifQ.c2lnbmF0dXJlcw",
            "https://x.blob.core.windows.net/vhds/a.vhd?sv=2024&sig=c2lnbmF0dXJlcw%3D is gone",
            "body was grant_type=client_credentials&client_secret=c2lnbmF0dXJlcw",
        ],
    )
    def test_credentials_are_taken_out(self, text: str) -> None:
        """Tokens, SAS signatures and secrets that an error text quotes do not get through."""
        assert "c2lnbmF0dXJlcw" not in one_line(text)

    def test_lines_are_joined(self) -> None:
        """Several lines become one with single spaces."""
        assert one_line("a\r\n\t b\x1b[31m  c") == "a b [31m c"
