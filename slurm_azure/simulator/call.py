"""One request as a service sees it, and its answer, free of the HTTP library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.refusal import malformed


@dataclass(slots=True)
class Reply:
    """The answer: status, JSON body (None = empty) or `raw` bytes of `content_type`, and headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One request. `base` is scheme, host and port as the caller wrote them; `remote` the caller's address."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    host: str
    remote: str
    parameters: dict[str, str] = field(default_factory=dict)
    principal: Principal | None = None
    operation: str = ""

    @property
    def api_version(self) -> str:
        """The api-version of the query string ('' if there is none)."""
        return self.query.get("api-version", "")

    def json_object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object; raises Refusal (400) otherwise."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise malformed(str(error)) from None
        if not isinstance(value, dict):
            raise malformed("the request body is not a JSON object")
        return value
