"""An answer of the REST interface, held against Microsoft's OpenAPI files where they are there."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from tests.contracts import specifications
from tests.contracts.openapi import judge
from tests.simulator.raw import VERSION, Answer, arm
from tests.support.simulated_azure import SimulatedAzure


def get(azure: SimulatedAzure, path: str) -> Answer:
    """GET `path`; its answer has to be as the files say. (skus.json describes no refusals, so none is judged.)"""
    answer = arm(azure, "GET", path)
    if answer.status < 400 and specifications.available():
        verdict = judge(
            {
                "operation": "",
                "method": "GET",
                "path": urlsplit(path).path,
                "query": dict(parse_qsl(urlsplit(path).query)) | {"api-version": VERSION},
                "headers": {},
                "body": None,
                "status": answer.status,
                "reply_headers": dict(answer.headers.items()),
                "reply": answer.body,
                "raw": None,
            },
            request=False,
        )
        assert verdict.operation, f"no file describes {path}: {verdict.kind}"
        assert [str(problem) for problem in verdict.problems] == []
    return answer
