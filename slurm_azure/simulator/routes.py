"""Which operation a request means: templates as in Microsoft's OpenAPI files, matched without regard to case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.call import Call, Reply

Handler = Callable[[Call], Reply]
Links = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
"""From a request's body to the actions it needs at other resources, each with that resource's id."""

_SCOPE = "/{scope}/providers/"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: HTTP method, path template, operationId, the action of role definitions it needs ('' = none), and its
    handler. A template that begins with `/{scope}/providers/` fits beneath every resource, and beneath none.

    `links` tells from the body which actions it needs at other resources.
    """

    method: str
    template: str
    operation: str
    action: str
    handler: Handler
    links: Links | None = None


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
    """A tree of path segments; a lookup costs some steps per segment, however many routes there are.

    Where a literal segment fits it is taken; a parameter in the same place only if that leads nowhere.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Branch()
        self._extensions: dict[str, _Branch] = {}  # of routes with a scope, by provider in lower case
        for route in routes:
            if route.template.startswith(_SCOPE):
                provider, _, rest = route.template.removeprefix(_SCOPE).partition("/")
                self._add(route, rest, self._extensions.setdefault(provider.lower(), _Branch()))
            else:
                self._add(route, route.template, self._root)

    def _add(self, route: Route, template: str, branch: _Branch) -> None:
        names = []
        for segment in template.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                branch.parameter = branch.parameter or _Branch()
                branch = branch.parameter
            else:
                branch = branch.literals.setdefault(segment.lower(), _Branch())
        branch.routes[route.method] = (route, tuple(names))

    def match(self, method: str, path: str) -> Match | None:
        """The operation that `method` on `path` means, or None where nothing stands at that path."""
        found = _walk(self._root, method, path)
        scope, separator, rest = path.lower().rpartition("/providers/")
        extension = self._extensions.get(rest.partition("/")[0]) if found is None and separator else None
        if extension is None:
            return found
        _, _, below = path[len(scope) + len(separator) :].partition("/")
        found = _walk(extension, method, below)
        return found and Match(found.route, {"scope": path[: len(scope)] or "/", **found.parameters})


def _walk(branch: _Branch, method: str, path: str) -> Match | None:
    values: list[str] = []
    end = _end(branch, path.strip("/").split("/"), 0, values)
    if end is None:
        return None
    found = end.routes.get(method)
    if found is None:
        return Match(None, {})
    route, names = found
    return Match(route, dict(zip(names, values, strict=True)))


def _end(branch: _Branch, segments: list[str], at: int, values: list[str]) -> _Branch | None:
    """Where the segments from `at` on lead to; `values` gets those that stand for parameters."""
    if at == len(segments):
        return branch if branch.routes else None
    literal = branch.literals.get(segments[at].lower())
    if literal is not None and (found := _end(literal, segments, at + 1, values)) is not None:
        return found
    if branch.parameter is None:
        return None
    values.append(segments[at])
    found = _end(branch.parameter, segments, at + 1, values)
    if found is None:
        values.pop()
    return found


def describe(routes: Iterable[Route]) -> list[dict[str, Any]]:
    """All operations that are simulated, for the control endpoint."""
    return [{"method": route.method, "path": route.template, "operation": route.operation} for route in routes]
