"""Which operation a request means: templates as in Microsoft's OpenAPI files, matched without regard to case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.call import Call, Reply

Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: HTTP method, path template, operationId, the action of role definitions it needs, and its handler."""

    method: str
    template: str
    operation: str
    action: str
    handler: Handler


@dataclass(slots=True)
class _Branch:
    literals: dict[str, _Branch] = field(default_factory=dict)
    parameter: _Branch | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means. `route` is None where the path exists but not with this method."""

    route: Route | None
    parameters: dict[str, str]


class Router:
    """A tree of path segments; a lookup costs one step per segment, however many routes there are.

    Where a literal segment fits it is taken, and a parameter in the same place is not tried after it.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Branch()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        branch, names = self._root, []
        for segment in route.template.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                branch.parameter = branch.parameter or _Branch()
                branch = branch.parameter
            else:
                branch = branch.literals.setdefault(segment.lower(), _Branch())
        branch.routes[route.method] = (route, tuple(names))

    def match(self, method: str, path: str) -> Match | None:
        """The operation that `method` on `path` means, or None where nothing stands at that path."""
        values: list[str] = []
        branch: _Branch | None = self._root
        for segment in path.strip("/").split("/"):
            assert branch is not None
            literal = branch.literals.get(segment.lower())
            if literal is None:
                values.append(segment)
            branch = literal or branch.parameter
            if branch is None:
                return None
        if branch is None or not branch.routes:
            return None
        found = branch.routes.get(method)
        if found is None:
            return Match(None, {})
        route, names = found
        return Match(route, dict(zip(names, values, strict=True)))


def describe(routes: Iterable[Route]) -> list[dict[str, Any]]:
    """All operations that are simulated, for the control endpoint."""
    return [{"method": route.method, "path": route.template, "operation": route.operation} for route in routes]
