"""A simulated Azure to shoot at: requests as any client might send them, and what is never to be answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from tests.contracts.openapi import Exchange, Problem, judge
from tests.simulator.raw import VERSION, token
from tests.support.simulated_azure import SimulatedAzure, simulated_azure

PATIENCE = 10.0  # seconds: an answer that takes longer has got stuck
_SIMULATED_NOT = 501


@dataclass
class Target:
    """A running simulator and a session with it."""

    azure: SimulatedAzure
    session: requests.Session

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Exchange:
        """One request, and the exchange as the judge sees it. `path` is not quoted yet; `body` is JSON or bytes."""
        query = {"api-version": VERSION} if query is None else query
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        answer = self.session.request(
            method,
            self.azure.endpoint + quote(path, safe="/"),
            params=query,
            data=content,
            headers=sent | (headers or {}),
            timeout=PATIENCE,
            allow_redirects=False,
        )
        return {
            "operation": "",
            "method": method,
            "path": path,
            "query": {name: str(value) for name, value in query.items()},
            "headers": sent | (headers or {}),
            "body": None if isinstance(body, bytes) else body,
            "status": answer.status_code,
            "reply_headers": dict(answer.headers),
            "reply": answer.json() if answer.content else None,
        }


@contextmanager
def target(**options: Any) -> Iterator[Target]:
    """A target for the length of a `with` block."""
    with simulated_azure(**options) as azure, requests.Session() as session:
        session.verify = azure.ca_file
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token(azure)}"
        yield Target(azure, session)


def complaints(exchange: Exchange) -> list[str]:
    """What is wrong with an answer, whatever was asked: the simulator's own failure, or a shape that no file allows."""
    status = exchange["status"]
    found = [f"{status}: {exchange['reply']}"] if status >= 500 and status != _SIMULATED_NOT else []
    return found + [str(problem) for problem in judge(exchange, request=False).problems]


def is_invalid(exchange: Exchange) -> list[Problem]:
    """What is wrong with a request so that Azure refuses it. Null in place of nothing, and the case of an enum's value, are not
    that: Newtonsoft's JSON, which Resource Manager's providers read with, takes both."""
    problems = [one for one in judge(exchange).problems if one.is_request and one.where == "request body"]
    return [one for one in problems if "null is not of type" not in one.what and "is not one of" not in one.what]
