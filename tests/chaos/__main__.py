"""`make chaos`: a long chaos run. Exit code 0 if nothing was lost, nothing leaked and nothing is stuck."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from slurm_azure.demo.preflight import check_machine
from slurm_azure.errors import SlurmAzureError
from tests.chaos.run import run_chaos


def main(arguments: list[str] | None = None) -> int:
    """Run; the report is on stdout."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of chaos [600]")
    parser.add_argument("--nodes", type=int, default=600, help="cloud nodes [600]")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of kills, faults and jobs [any]")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to rest, at most [600]")
    parser.add_argument("--output", type=Path, default=Path("demo-output/chaos"), help="for logs [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        check_machine()
        report = run_chaos(options.seed, options.seconds, options.nodes, options.output, options.patience, _say)
    except SlurmAzureError as error:
        _say(f"chaos: {error}")
        return 2
    _say(report.text())
    return 0 if report.good else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
