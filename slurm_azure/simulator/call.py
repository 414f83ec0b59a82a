"""One request as a service sees it, and its answer, free of the HTTP library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.refusal import malformed


class Fate(Enum):
    """What becomes of an answer: sent, never sent (the caller waits in vain), or the connection is reset in its place."""

    SENT = "sent"
    LOST = "lost"
    RESET = "reset"


class Interrupted(Exception):
    """A request ends before it has had any effect, without an answer; `fate` says how."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(fate.value)
        self.fate = fate


class Postponed(Exception):
    """A request is to be answered `seconds` after all of `holds` have been set: nothing has been done yet, and it will be
    handed in again."""

    def __init__(self, seconds: float, holds: Sequence[asyncio.Event] = ()) -> None:
        super().__init__(f"postponed by {seconds} s")
        self.seconds = seconds
        self.holds = tuple(holds)


class Answered(Exception):
    """A request ends before it has had any effect, with an answer that no service gave: a gateway's page, for example."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"answered with {reply.status}")
        self.reply = reply


@dataclass(slots=True)
class Reply:
    """The answer: status, JSON body (None = empty) or `raw` bytes of `content_type`, and headers.

    `delay` is how long it is held back (seconds), `fate` whether it arrives: both are for faults that come after the effect.
    `spoiled`: a fault has made of it what no service would answer, such as a gateway's page or a body that breaks off.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json; charset=utf-8"
    delay: float = 0.0
    fate: Fate = Fate.SENT
    spoiled: bool = False


@dataclass(slots=True)
class Call:
    """One request. `base` is scheme, host and port as the caller wrote them; `remote` the caller's address.

    `operation` and the `action` of role definitions it needs are set as soon as it is known which one is meant; `postponed`
    tells that it was handed in before. `faults` are the names of the faults that struck it, `verdict` is what one of them has
    in store for the time after the postponement. `abandoned`: the client left while it was postponed.
    """

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
    action: str = ""
    postponed: bool = False
    faults: list[str] = field(default_factory=list)
    verdict: Exception | None = None
    abandoned: bool = False
    _object: dict[str, Any] | None = None

    @property
    def api_version(self) -> str:
        """The api-version of the query string ('' if there is none)."""
        return self.query.get("api-version", "")

    def json_object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object; raises Refusal (400) otherwise. It is read once: whoever changes it changes
        it for all."""
        if self._object is None:
            self._object = self._read_object()
        return self._object

    def _read_object(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise malformed(str(error)) from None
        except RecursionError:
            raise malformed("the request body is nested too deeply") from None
        if not isinstance(value, dict):
            raise malformed("the request body is not a JSON object")
        return value
