"""How long things take: distributions written as `2`, `uniform(1,3)` or `lognormal(20,40)`."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from slurm_azure.errors import UsageError

_Z95 = 1.6448536269514722  # 95th percentile of the standard normal distribution
_WRITTEN = re.compile(r"(?P<kind>constant|uniform|lognormal)\((?P<first>[^,()]+)(?:,(?P<second>[^,()]+))?\)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A span of time in seconds. `kind` is constant (first), uniform (first..second) or lognormal (median, 95th percentile)."""

    kind: str
    first: float
    second: float = 0.0

    def sample(self, source: random.Random) -> float:
        """One span, in seconds, never negative."""
        if self.kind == "uniform":
            return source.uniform(self.first, self.second)
        if self.kind == "lognormal":
            return source.lognormvariate(math.log(self.first), math.log(self.second / self.first) / _Z95)
        return self.first


def constant(seconds: float) -> Distribution:
    """Always the same span."""
    return Distribution("constant", seconds)


def parse(text: str) -> Distribution:
    """Read a distribution; raises UsageError that says how one is written."""
    compact = text.replace(" ", "")
    if re.fullmatch(r"[0-9.eE+-]+", compact):
        compact = f"constant({compact})"
    match = _WRITTEN.fullmatch(compact)
    try:
        if match is None:
            raise ValueError
        first = float(match["first"])
        second = float(match["second"]) if match["second"] is not None else 0.0
        return _checked(match["kind"], first, second, two=match["second"] is not None)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a span of time: write seconds such as 2, uniform(1,3) or lognormal(20,40) "
            "(median, 95th percentile)"
        ) from None


def _checked(kind: str, first: float, second: float, two: bool) -> Distribution:
    if two == (kind == "constant") or not (math.isfinite(first) and math.isfinite(second)) or first < 0:
        raise ValueError
    if (kind != "constant" and second < first) or (kind == "lognormal" and first == 0):
        raise ValueError
    return Distribution(kind, first, second)
