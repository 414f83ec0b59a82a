"""What the OpenAPI files do not say: what is therefore not judged, and what is judged by Microsoft's pages instead."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema_rs

_ARM = re.compile(r"^/(subscriptions|providers|tenants)(/|$)", re.IGNORECASE)

# Paths of requests that no OpenAPI file here describes, and what they are. First match wins.
_NOT_JUDGED: tuple[tuple[str, str], ...] = (
    (r"/metadata(/|$)", "instance metadata"),
    (r"/machine(/|$)|/machine\?|/\?comp=", "wire server"),
    (r"/(secrets|keys|certificates)(/|$)", "Key Vault"),
    (r"/bootdiagnostics-storage/", "boot diagnostics"),
    (r"/api/retail/prices", "retail prices"),
    (r"/(common|[^/]+)/(oauth2|v2\.0|discovery|\.well-known)(/|$)", "login"),
    (r"/(subscriptions|providers)/.*?/?providers/(Microsoft\.\w+)/", "provider"),
    (r"/(subscriptions|tenants)(/|$)", "Microsoft.Resources"),
)

OPERATIONS = re.compile(
    r"^/subscriptions/[^/]+/providers/Microsoft\.\w+/locations/[^/]+/(operations|operationResults)/[^/]+$", re.IGNORECASE
)


def is_resource_manager(path: str) -> bool:
    """Whether a path is one of Azure Resource Manager."""
    return _ARM.match(path) is not None


def kind(path: str) -> str:
    """What a request without an operation in the files is, for the list of what is not judged."""
    for pattern, name in _NOT_JUDGED:
        found = re.match(pattern, path, re.IGNORECASE)
        if found:
            return found[2] if name == "provider" else name
    return "something else"


# "Track asynchronous Azure operations" (Azure Resource Manager): the answer of the URL in Azure-AsyncOperation.
_ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "minLength": 1},
        "message": {"type": "string"},
        "target": {"type": "string"},
        "details": {"type": "array", "items": {"$ref": "#/$defs/error"}},
        "innererror": {"type": "object"},
    },
    "required": ["code", "message"],
    "additionalProperties": False,
}
_STATUS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"error": _ERROR},
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string", "minLength": 1},
        "status": {"type": "string", "minLength": 1},
        "startTime": {"type": "string", "format": "date-time"},
        "endTime": {"type": "string", "format": "date-time"},
        "percentComplete": {"type": "number", "minimum": 0, "maximum": 100},
        "properties": {"type": "object"},
        "error": {"$ref": "#/$defs/error"},
    },
    "required": ["status"],
    "additionalProperties": False,
    "if": {"properties": {"status": {"enum": ["Failed", "Canceled"]}}, "required": ["status"]},
    "then": {"required": ["error"]},
    "else": {"properties": {"error": False}},
}

# "Troubleshooting API throttling errors" (Virtual Machines): Compute's own 429 has no `error` around it.
_THROTTLED = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"error": _ERROR},
    "$ref": "#/$defs/error",
    "required": ["details"],
}

# "ErrorDetail" of Resource Manager's common types adds to CloudError what policies and locks say.
ADDITIONAL_INFO = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "info": {}},
        "additionalProperties": False,
    },
}


@cache
def operation_status() -> jsonschema_rs.Draft202012Validator:
    """The judge of an asynchronous operation's status."""
    return jsonschema_rs.Draft202012Validator(_STATUS, validate_formats=True)


@cache
def throttled_by_compute() -> jsonschema_rs.Draft202012Validator:
    """The judge of a 429 of the Compute resource provider."""
    return jsonschema_rs.Draft202012Validator(_THROTTLED)


def has_error_text(body: Any) -> bool:
    """CloudError requires nothing; Resource Manager's errors have at least a code and a message."""
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and all(isinstance(error.get(name), str) and error[name] for name in ("code", "message"))
