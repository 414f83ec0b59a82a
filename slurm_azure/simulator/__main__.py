"""`python -m slurm_azure.simulator`: the simulator without the rest of the command line."""

from __future__ import annotations

import argparse
import logging
import sys

from slurm_azure.errors import SlurmAzureError
from slurm_azure.simulator.options import add_arguments, from_arguments


def main() -> int:
    """Parse the command line, serve until SIGINT or SIGTERM, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slurm_azure.simulator", description="A simulated Azure.")
    add_arguments(parser)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        options = from_arguments(parser.parse_args())
        from slurm_azure.simulator.serve import run

        run(options)
    except SlurmAzureError as error:
        sys.stderr.write(f"slurm_azure.simulator: {error}\n")
        return error.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"slurm_azure.simulator: {where}{error.strerror}\n")
        return 77 if isinstance(error, PermissionError) else 74  # EX_NOPERM, EX_IOERR of sysexits(3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
