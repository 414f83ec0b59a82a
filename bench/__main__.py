"""`make bench`: run all benchmarks and print each figure beside its target."""

from __future__ import annotations

import os
import platform
import sys

from bench import burst, hook, simulator, steps
from bench.figures import Figure, table


def main() -> int:
    """Exit 0 even where a target is missed: machines differ, and the table says so."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; medians\n")
    figures: list[Figure] = [*hook.measure(), *burst.measure(), *steps.measure(), *simulator.measure()]
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
