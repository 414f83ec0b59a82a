"""A judge of exchanges: one request with its answer, held against Microsoft's OpenAPI files.

An exchange is what the simulator writes with --record: operation, method, path, query, headers, body, status, reply_headers,
reply, raw.
The judge knows nothing of who sent the request and who answered it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from tests.contracts import template, unspecified, version_gap
from tests.contracts.schemas import Reading, Translation, compiled, scalar
from tests.contracts.specifications import Operation, find, operations

Exchange = dict[str, Any]

_MOST = 20  # problems that are told of one body: one mistake in a list of VMs is one in each of them
_WORDS = 240  # characters of a validator's message, which may quote a whole VM
_READ_ONLY = "read-only member of the request body"  # Azure passes over it
_CONDITIONS = ("if-match", "if-none-match")
_ANY = "virtualMachine.VirtualMachines_Get"  # its default response is everybody's: CloudError
_PAGED = {"$skiptoken"}  # of a nextLink, which a client takes as it is


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the files do not allow: in which operation, where, and what. `is_request`: it is the client's fault."""

    operation: str
    where: str
    what: str
    is_request: bool = False

    def __str__(self) -> str:
        return f"{self.operation}: {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says. `operation` is '' where no file describes the request, and `kind` says then what it is."""

    operation: str
    kind: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def judge(exchange: Exchange, request: bool = True, answer: bool = True) -> Verdict:
    """Judge one exchange, or one side of it. Needs the files (specifications.available)."""
    found = find(exchange["method"], exchange["path"])
    if found is None:
        return _without_operation(exchange, answer)
    operation, parameters = found
    problems = list(_response(operation, exchange)) if answer else []
    warnings: list[Problem] = []
    if request:
        for problem in _request(operation, parameters, exchange):
            (warnings if problem.where == _READ_ONLY else problems).append(problem)
    return Verdict(operation.id, "", tuple(problems), tuple(warnings))


# Requests


def _request(operation: Operation, parameters: dict[str, str], exchange: Exchange) -> Iterator[Problem]:
    for where, given in (("path", parameters), ("query", exchange["query"])):
        for text in _parameters(operation, where, given):
            yield Problem(operation.id, f"request {where}", text, True)
    for text in _request_headers(operation, exchange):
        yield Problem(operation.id, "request headers", text, True)
    yield from _request_body(operation, parameters, exchange)


def _parameters(operation: Operation, where: str, given: dict[str, str]) -> Iterator[str]:
    known = {parameter.value["name"].lower(): parameter.value for parameter in operation.parameters_in(where)}
    for name in known:
        if known[name].get("required") and name not in {key.lower() for key in given}:
            yield f"{known[name]['name']} is missing"
    for name, text in given.items():
        if name.lower() not in known:
            if not (operation.pageable and name.lower() in _PAGED):
                yield f"{name} is unknown"
        elif name.lower() == "api-version":
            if version_gap.JUDGED_AS.get(text, text) != operation.version:
                yield f"api-version {text} is not that of the file, {operation.version}"
        else:
            yield from _parameter(operation.key, where, known[name.lower()], text)


def _parameter(operation: str, where: str, definition: dict[str, Any], text: str) -> Iterator[str]:
    value = _typed(definition["type"], text)
    for error in _parameter_validator(operation, where, definition["name"]).iter_errors(value):
        yield f"{definition['name']}: {_short(error.message)}"


@cache
def _parameter_validator(operation: str, where: str, name: str) -> jsonschema_rs.Draft202012Validator:
    found = [one.value for one in operations()[operation].parameters_in(where) if one.value["name"] == name]
    return compiled(scalar(found[0]))


def _typed(kind: str, text: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "integer":
        return int(text) if text.lstrip("-").isdecimal() else text
    return text


def _request_headers(operation: Operation, exchange: Exchange) -> Iterator[str]:
    headers = {name.lower(): value for name, value in exchange["headers"].items()}
    known = {parameter.value["name"].lower() for parameter in operation.parameters_in("header")}
    for name in _CONDITIONS:
        if name in headers and name not in known:
            yield f"{name} is not of this operation"
    # If-None-Match in virtualMachine.json: "Set to '*' .. Other values will result in error from server".
    if headers.get("if-none-match", "*") != "*":
        yield f"if-none-match is {headers['if-none-match']}, and can only be *"
    if headers.get("if-match") == "":
        yield "if-match is empty"
    if exchange["body"] is not None and not headers.get("content-type", "").startswith("application/json"):
        yield f"content-type is {headers.get('content-type')} and not application/json"


def _request_body(operation: Operation, parameters: dict[str, str], exchange: Exchange) -> Iterator[Problem]:
    wanted = operation.parameters_in("body")
    body = exchange["body"]
    if body is None:
        if wanted and wanted[0].value.get("required"):
            yield Problem(operation.id, "request body", "it is missing, or no JSON", True)
        return
    if not wanted:
        yield Problem(operation.id, "request body", "there should be none", True)
        return
    for error in _errors(_request_validator(operation.key), body):
        read_only = isinstance(error.kind, jsonschema_rs.ValidationErrorKind.FalseSchema)
        yield Problem(operation.id, _READ_ONLY if read_only else "request body", _told(error), True)
    if operation.id == "VirtualMachines_CreateOrUpdate":
        for text in template.problems(parameters["vmName"], _without(body, ("id", "name", "type", "etag"))):
            yield Problem(operation.id, f"request body by the template schema of {template.VERSION}", text, True)


@cache
def _request_validator(operation: str) -> jsonschema_rs.Draft202012Validator:
    found = operations()[operation]
    body = found.parameters_in("body")[0]
    reading = Reading.SENT_TO_UPDATE if found.method == "PATCH" else Reading.SENT_TO_CREATE
    return compiled(Translation(reading).document(body.at(body.value["schema"])))


def _without(body: Any, names: tuple[str, ...]) -> Any:
    return {name: value for name, value in body.items() if name not in names} if isinstance(body, dict) else body


# Answers


def _response(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    status = exchange["status"]
    if exchange["operation"] not in ("", operation.id):
        yield Problem(operation.id, "operation", f"it was taken for {exchange['operation']}")
    for where, text in _response_headers(operation, exchange):
        yield Problem(operation.id, where, text)
    response = _described(operation, status)
    if response is None:
        yield Problem(operation.id, "status", f"{status} is not one of {', '.join(operation.responses)}")
        return
    where = f"body of the answer ({status})"
    for text in _response_body(operation, response, exchange):
        yield Problem(operation.id, where, text)


def _described(operation: Operation, status: int) -> str | None:
    if str(status) in operation.responses:
        return str(status)
    # An operation without a default response is refused by Resource Manager's front door all the same (token, subscription).
    return "default" if status >= 400 else None


def _response_body(operation: Operation, response: str, exchange: Exchange) -> Iterator[str]:
    body, status = exchange["reply"], exchange["status"]
    if status >= 400:
        yield from _error(operation, response, exchange)
        return
    if exchange.get("raw"):
        yield "it is no JSON"
        return
    if "schema" not in operation.responses[response].value:
        if body is not None:
            yield "there should be none"
        return
    if body is None:
        yield "it is missing, or no JSON"
        return
    for error in _errors(_response_validator(operation.key, response), body):
        yield _told(error)


def _error(operation: Operation | None, response: str, exchange: Exchange) -> Iterator[str]:
    body = exchange["reply"]
    if exchange["method"] == "HEAD":
        return
    if exchange["status"] == 429 and isinstance(body, dict) and "error" not in body:
        validator, told = unspecified.throttled_by_compute(), "429 without `error`: "
    else:
        described = operation is not None and response in operation.responses
        validator, told = _response_validator(operation.key if operation and described else _ANY, response), ""
    for error in _errors(validator, body):
        yield told + _told(error)
    if not told and not unspecified.has_error_text(body):
        yield "an error without code and message"


@cache
def _response_validator(operation: str, response: str) -> jsonschema_rs.Draft202012Validator:
    place = operations()[operation].responses[response]
    document = Translation(Reading.ANSWERED).document(place.at(place.value["schema"]))
    for name in ("common.ApiError", "common.ApiErrorBase"):
        if name in document["$defs"]:
            document["$defs"][name]["properties"]["additionalInfo"] = unspecified.ADDITIONAL_INFO
    return compiled(document)


def _response_headers(operation: Operation, exchange: Exchange) -> Iterator[tuple[str, str]]:
    headers = {name.lower(): value for name, value in exchange["reply_headers"].items()}
    yield from _headers_of_all(headers)
    if exchange["status"] in (201, 202) and operation.long_running and not _is_over(exchange["reply"]):
        links = [headers[name] for name in ("azure-asyncoperation", "location") if name in headers]
        if not links:
            yield "headers of the answer", f"{exchange['status']} without Azure-AsyncOperation or Location"
        for link in links:
            if not link.startswith("https://"):
                yield "headers of the answer", f"{link} is not an absolute https URL"


def _headers_of_all(headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What each answer of Azure Resource Manager has ("Track asynchronous Azure operations"; its RPC contract)."""
    if not headers.get("x-ms-request-id"):
        yield "headers of the answer", "no x-ms-request-id"
    if not headers.get("retry-after", "0").isdecimal():
        yield "headers of the answer", f"Retry-After is {headers['retry-after']}, and not a number of seconds"


def _is_over(body: Any) -> bool:
    """Whether the resource says itself that nothing is under way ("Track asynchronous Azure operations": provisioningState)."""
    properties = body.get("properties") if isinstance(body, dict) else None
    return isinstance(properties, dict) and properties.get("provisioningState") in ("Succeeded", "Failed", "Canceled")


# Requests that no file describes


def _without_operation(exchange: Exchange, answer: bool) -> Verdict:
    path = exchange["path"]
    if not answer or not unspecified.is_resource_manager(path):
        return Verdict("", unspecified.kind(path))
    name = exchange["operation"] or f"{exchange['method']} {path}"
    problems = [Problem(name, where, text) for where, text in _headers_of_all(_lower(exchange["reply_headers"]))]
    if exchange["status"] >= 400:
        problems += [Problem(name, "error", text) for text in _error(None, "default", exchange)]
    elif unspecified.OPERATIONS.match(path) and exchange["reply"] is not None:
        errors = _errors(unspecified.operation_status(), exchange["reply"])
        problems += [Problem(name, "status of an operation", _told(error)) for error in errors]
        return Verdict("Operations_Get", "", tuple(problems))
    return Verdict("", unspecified.kind(path), tuple(problems))


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _errors(validator: jsonschema_rs.Draft202012Validator, body: Any) -> list[jsonschema_rs.ValidationError]:
    if validator.is_valid(body):  # many times faster than asking for errors
        return []
    return [error for error, _ in zip(validator.iter_errors(body), range(_MOST), strict=False)]


def _told(error: jsonschema_rs.ValidationError) -> str:
    place = "/" + "/".join(map(str, error.instance_path))
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.FalseSchema):
        return f"{place}: not to be there"
    return f"{place}: {_short(error.message)}"


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[: _WORDS // 2]} .. {text[-_WORDS // 2 :]}"
