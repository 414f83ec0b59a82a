"""`slurm-azure simulate`: the simulated Azure, in the foreground."""

from __future__ import annotations

import argparse
import logging

from slurm_azure.cli.context import Context
from slurm_azure.errors import PreflightError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The simulator's own arguments. Raises PreflightError if its libraries are missing."""
    try:
        from slurm_azure.simulator import options
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    options.add_arguments(parser)


def run(options: argparse.Namespace, context: Context) -> int:
    """Serve until SIGINT or SIGTERM."""
    from slurm_azure.simulator.options import from_arguments

    settings = from_arguments(options)
    try:
        from slurm_azure.simulator.serve import run as serve
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    logging.getLogger().setLevel(logging.WARNING if context.quiet else logging.DEBUG if context.verbose else logging.INFO)
    serve(settings, context.quiet)
    return 0


def _missing(error: ModuleNotFoundError) -> Exception:
    """The simulator is an extra; a module of our own that is missing is a broken installation and no extra."""
    if error.name is None or error.name.startswith("slurm_azure"):
        return error
    return PreflightError(
        f"the simulator needs the library {error.name}, which is not installed; try: pip install 'slurm-azure[simulator]'"
    )
