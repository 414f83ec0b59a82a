"""The plan of faults over HTTP, at the control endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.faults import reading
from slurm_azure.simulator.faults.document import LARGEST
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.routes import Route


class FaultRequests:
    """Answers requests on the faults in force. Bodies are JSON, in the shape of a plan file."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        """The operations."""
        return [
            Route("GET", "/faults", "faults", "", self.show),
            Route("PUT", "/faults", "replace faults", "", self.replace),
            Route("POST", "/faults", "add faults", "", self.add),
            Route("DELETE", "/faults", "forget faults", "", self.clear),
            Route("GET", "/faults/{name}", "fault", "", self.one),
            Route("DELETE", "/faults/{name}", "forget fault", "", self.remove),
        ]

    def show(self, call: Call) -> Reply:
        """All faults, as they were written, with how often each matched and hit."""
        return Reply(200, {"faults": self._faults.as_json()})

    def one(self, call: Call) -> Reply:
        """One fault with its counters."""
        name = call.parameters["name"]
        found = next((fault for fault in self._faults.as_json() if fault["name"] == name), None)
        return Reply(200, found) if found is not None else _absent(name)

    def replace(self, call: Call) -> Reply:
        """Put a plan in the place of all that is in force; 400, and everything stays, if it has mistakes."""
        value, mistakes = _read(call)
        if not mistakes:
            plan, found = reading.read_plan(value)
            mistakes = reading.explain(found)
        if mistakes:
            return _refused(mistakes)
        self._faults.load(plan)
        return Reply(200, {"ids": list(self._faults.names())})

    def add(self, call: Call) -> Reply:
        """Add one fault, or a list or plan of them; 400, and none is added, if there are mistakes. Ids are names."""
        value, mistakes = _read(call)
        if not mistakes:
            faults, found = reading.read_faults(value, self._faults.names())
            mistakes = reading.explain(found)
        if mistakes:
            return _refused(mistakes)
        self._faults.add(faults)
        return Reply(201, {"ids": [fault.name for fault in faults]})

    def clear(self, call: Call) -> Reply:
        """Take all faults back."""
        self._faults.clear()
        return Reply(204)

    def remove(self, call: Call) -> Reply:
        """Take one fault back."""
        name = call.parameters["name"]
        return Reply(204) if self._faults.remove(name) else _absent(name)


def _read(call: Call) -> tuple[Any, list[str]]:
    if len(call.body) > LARGEST:
        return None, [f"is larger than {LARGEST} bytes, which no plan of faults is"]
    try:
        return json.loads(call.body), []
    except json.JSONDecodeError as error:
        return None, [f"line {error.lineno}: not JSON: {error.msg}"]
    except (ValueError, RecursionError):
        return None, ["not JSON: it is not UTF-8, nested too deep, or a number has too many digits"]


def _refused(mistakes: Sequence[str]) -> Reply:
    return Reply(400, {"error": f"the plan of faults has mistakes: {'; '.join(mistakes)}", "mistakes": list(mistakes)})


def _absent(name: str) -> Reply:
    return Reply(404, {"error": f"there is no fault {name}"})
