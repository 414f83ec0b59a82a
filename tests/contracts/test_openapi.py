"""The judge can tell: what is good passes, what is spoiled in any one way does not, and Microsoft's own examples pass."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts import examples, specifications
from tests.contracts.openapi import Exchange, judge
from tests.support import exchanges
from tests.support.exchanges import COMPUTE, SUBSCRIPTION, VM, an_exchange

pytestmark = pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT)

GOOD: dict[str, Callable[[], Exchange]] = {
    "create": exchanges.a_create,
    "list": exchanges.a_list,
    "update": exchanges.an_update,
    "delete": exchanges.a_delete,
    "refusal": exchanges.a_refusal,
    "throttling": exchanges.a_throttling,
    "operation under way": exchanges.an_operation,
    "failed operation": lambda: exchanges.an_operation("Failed", error={"code": "AllocationFailed", "message": "words"}),
    "nothing to delete": lambda: an_exchange("DELETE", VM, 204),
    "another case": lambda: an_exchange("DELETE", VM.lower(), 204),
    "done at once": lambda: exchanges.a_create() | {"status": 200, "reply_headers": {"x-ms-request-id": "1"}},
    "next page": lambda: exchanges.a_list() | {"query": {"api-version": "2026-04-01", "$skiptoken": "x"}},
    "an older client": lambda: an_exchange("DELETE", VM, 204, query={"api-version": "2024-07-01"}),
}


class Without:
    """In place of a value: the member is left out."""

    def __repr__(self) -> str:
        return "nothing"


_LEFT_OUT = Without()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_passes(name: str) -> None:
    """Nothing is wrong with the exchanges that the other tests spoil."""
    assert judge(GOOD[name]()).problems == ()


Spoiled = tuple[str, str, Any, str]

SPOILED: list[Spoiled] = [
    # exchange, where, the value put there, what the judge says of it
    ("create", "reply/location", _LEFT_OUT, '"location" is a required property'),
    ("create", "reply/properties/provisioning", "Creating", "Additional properties are not allowed"),
    ("create", "reply/properties/osProfile/linuxConfiguration/unheardOf", True, "Additional properties are not allowed"),
    ("create", "reply/properties/osProfile/customData", "Y3VzdG9t", "customData: not to be there"),
    ("create", "reply/properties/osProfile/adminPassword", "secret", "adminPassword: not to be there"),
    ("create", "reply/properties/storageProfile/osDisk/caching", "Sometimes", "is not one of"),
    ("create", "reply/properties/storageProfile/osDisk/caching", "readonly", "is not one of"),
    ("create", "reply/properties/priority", "spot", "is not one of"),
    ("create", "reply/properties/storageProfile/osDisk/createOption", _LEFT_OUT, '"createOption" is a required property'),
    ("create", "reply/properties/storageProfile/dataDisks/0/lun", "0", 'is not of type "integer"'),
    ("create", "reply/properties/storageProfile/dataDisks/0/diskSizeGB", 2**31, "is greater than the maximum"),
    ("create", "reply/properties/timeCreated", "yesterday", 'is not a "date-time"'),
    ("create", "reply/properties/vmId", None, 'null is not of type "string"'),
    ("create", "reply/properties/billingProfile/maxPrice", "-1", 'is not of type "number"'),
    ("create", "reply/identity/type", "Borrowed", "is not one of"),
    ("create", "reply/tags/cluster", 5, 'is not of type "string"'),
    ("create", "reply/name", 5, 'is not of type "string"'),
    ("create", "reply/zones", "1", 'is not of type "array"'),
    ("create", "reply", None, "it is missing"),
    ("create", "reply", [], 'is not of type "object"'),
    ("create", "raw", True, "it is no JSON"),
    ("create", "status", 202, "202 is not one of 200, 201, default"),
    ("create", "status", 302, "302 is not one of"),
    ("create", "operation", "VirtualMachines_Update", "it was taken for VirtualMachines_Update"),
    ("create", "reply_headers/Azure-AsyncOperation", _LEFT_OUT, "201 without Azure-AsyncOperation or Location"),
    ("create", "reply_headers/Azure-AsyncOperation", "/operations/1", "is not an absolute https URL"),
    ("create", "reply_headers/Retry-After", "soon", "not a number of seconds"),
    ("create", "reply_headers/x-ms-request-id", _LEFT_OUT, "no x-ms-request-id"),
    ("delete", "reply_headers/Location", _LEFT_OUT, "202 without Azure-AsyncOperation or Location"),
    ("delete", "reply", {}, "there should be none"),
    ("list", "reply/value", _LEFT_OUT, '"value" is a required property'),
    ("list", "reply/value/1/properties/osProfile/customData", "x", "/value/1/properties/osProfile/customData: not to be"),
    ("list", "reply/nextLink", 5, 'is not of type "string"'),
    ("list", "reply/count", 2, "Additional properties are not allowed"),
    ("refusal", "reply/error/code", _LEFT_OUT, "an error without code and message"),
    ("refusal", "reply/error/message", "", "an error without code and message"),
    ("refusal", "reply/error/details", {}, 'is not of type "array"'),
    ("refusal", "reply/error/status", 409, "Additional properties are not allowed"),
    ("refusal", "reply/error", "OperationNotAllowed", 'is not of type "object"'),
    ("refusal", "reply", {"code": "OperationNotAllowed", "message": "words"}, "Additional properties are not allowed"),
    ("refusal", "reply", None, "an error without code and message"),
    ("throttling", "reply/details", _LEFT_OUT, '"details" is a required property'),
    ("throttling", "reply_headers/Retry-After", "20 min", "not a number of seconds"),
    ("operation under way", "reply/status", _LEFT_OUT, '"status" is a required property'),
    ("operation under way", "reply/startTime", "now", 'is not a "date-time"'),
    ("operation under way", "reply/error", {"code": "c", "message": "m"}, "error"),
    ("failed operation", "reply/error", _LEFT_OUT, '"error" is a required property'),
    ("failed operation", "reply/error/message", _LEFT_OUT, '"message" is a required property'),
    ("create", "body", None, "request body: it is missing"),
    ("create", "body/location", _LEFT_OUT, '"location" is a required property'),
    ("create", "body/properties/hardwareProfile/size", "x", "Additional properties are not allowed"),
    ("create", "body/properties/networkProfile/networkApiVersion", "2020", "is not one of"),
    ("create", "body/properties/storageProfile/dataDisks/0/diskSizeGB", "8", 'is not of type "integer"'),
    ("create", "body/zones", [1], 'is not of type "string"'),
    ("create", "body/properties/userData", None, 'null is not of type "string"'),
    ("create", "query/api-version", _LEFT_OUT, "api-version is missing"),
    ("create", "query/api-version", "2019-07-01", "is not that of the file"),
    ("create", "query/force", "true", "force is unknown"),
    ("delete", "query/forceDeletion", "yes", 'is not of type "boolean"'),
    ("delete", "body", {}, "there should be none"),
    ("list", "query/$expand", "everything", "is not one of"),
    ("list", "headers/If-Match", "*", "if-match is not of this operation"),
    ("create", "headers/If-None-Match", '"1"', "can only be *"),
    ("create", "headers/If-Match", "", "if-match is empty"),
    ("create", "headers/Content-Type", "text/plain", "is text/plain and not application/json"),
]


@pytest.mark.parametrize(("name", "where", "value", "words"), SPOILED, ids=[f"{one[1]}={one[2]}"[:60] for one in SPOILED])
def test_what_is_spoiled_does_not_pass(name: str, where: str, value: Any, words: str) -> None:
    """One thing changed in a good exchange, and the judge names it."""
    found = [str(problem) for problem in judge(spoil(GOOD[name](), where, value)).problems]
    assert any(words in problem for problem in found), found


def spoil(exchange: Exchange, where: str, value: Any) -> Exchange:
    """The exchange with `value` at the place `where`, or without that place."""
    bad = copy.deepcopy(exchange)
    owner: Any = bad
    *way, last = where.split("/")
    for part in way:
        owner = owner[int(part) if part.isdecimal() else part]
    if value is _LEFT_OUT:
        del owner[last]
    else:
        owner[last] = value
    return bad


def test_paths_are_judged_too() -> None:
    """A region has to be written as the pattern of its parameter says."""
    path = f"{SUBSCRIPTION}/providers/Microsoft.Compute/locations/West Europe/virtualMachines"
    problems = judge(an_exchange("GET", path, 200, reply={"value": []})).problems
    assert [problem.where for problem in problems] == ["request path"]


def test_read_only_members_are_only_warned_of() -> None:
    """Azure passes over what a client sends of them (Azure REST API guidelines), so they are no mistake, and no use either."""
    verdict = judge(spoil(exchanges.a_create(), "body/properties/provisioningState", "Succeeded"))
    assert [problem.what for problem in verdict.warnings] == ["/properties/provisioningState: not to be there"]


def test_a_body_may_be_wrong_by_the_newer_template_schema_alone() -> None:
    """The second opinion counts: it knows more of what the SDK's api-version has than the OpenAPI file does."""
    body = {"properties": {"placement": {"zonePlacementPolicy": "Best"}}}
    problems = judge(spoil(exchanges.a_create(), "body/placement", body["properties"]["placement"])).problems
    assert {problem.where for problem in problems} == {"request body", "request body by the template schema of 2026-03-01"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/metadata/instance", "instance metadata"),
        ("/machine/", "wire server"),
        ("/secrets/munge-key/", "Key Vault"),
        ("/7e571e57-0000-4000-8000-00000000a001/oauth2/v2.0/token", "login"),
        ("/api/retail/prices", "retail prices"),
        (f"{exchanges.GROUP}/providers/Microsoft.Network/networkInterfaces/n", "Microsoft.Network"),
        (exchanges.GROUP, "Microsoft.Resources"),
        ("/favicon.ico", "something else"),
    ],
)
def test_what_no_file_describes_is_told_as_not_judged(path: str, kind: str) -> None:
    """It is counted by its kind, so that the end of a run says what was not judged."""
    verdict = judge(an_exchange("GET", path, 200, reply={}))
    assert (verdict.operation, verdict.kind, verdict.problems) == ("", kind, ())


def test_refusals_are_judged_where_no_file_describes_the_operation() -> None:
    """Every error of Resource Manager has the one shape."""
    path = f"{exchanges.GROUP}/providers/Microsoft.Network/networkInterfaces/n"
    assert judge(an_exchange("GET", path, 404, reply={"code": "NotFound", "message": "m"})).problems != ()


def test_the_path_decides_which_operation_is_meant() -> None:
    """A literal segment wins over a parameter, and the simulator's own name for the operation is not believed."""
    assert judge(an_exchange("GET", f"{VM}/instanceView", 200, reply={})).operation == "VirtualMachines_InstanceView"
    assert judge(an_exchange("GET", f"{COMPUTE}/virtualMachines/instanceView", 404)).operation == "VirtualMachines_Get"


# What is wrong with Microsoft's examples themselves, by what the judge says of them.
EXPLAINED: dict[str, Callable[[str, str], bool]] = {
    "made from the schema by a tool, so that secrets are in the answer": lambda file, text: (
        "MaximumSet_Gen" in file and re.search("/(customData|protectedSettings): not to be there", text) is not None
    ),
    "made from the schema by a tool, with a networkApiVersion that there is not": lambda file, text: (
        "MaximumSet_Gen" in file and "networkApiVersion" in text and "2022-05-01" in text
    ),
    "null in place of nothing": lambda file, text: "MaximumSet_Gen" not in file and ": null is not of type" in text,
}


@pytest.mark.skipif(not examples.available(), reason="no clone of azure-rest-api-specs (set SLURM_AZURE_SPECS_MIRROR)")
@pytest.mark.timeout(300)
def test_microsofts_examples_pass() -> None:
    """All published examples of all operations in the files; what does not pass is an example's own mistake, and is named."""
    causes: Counter[str] = Counter()
    files = set()
    for example in examples.examples():
        files.add(example.file)
        for exchange in example.exchanges:
            verdict = judge(exchange)
            assert verdict.operation == example.operation
            for problem in map(str, verdict.problems):
                cause = [name for name, explains in EXPLAINED.items() if explains(example.file, problem)]
                assert cause, f"{example.file}: {problem}"
                causes[cause[0]] += 1
    print(f"{len(files)} examples; {dict(causes)}")
    assert len(files) > 300
    assert set(causes) == set(EXPLAINED)
