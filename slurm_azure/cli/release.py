"""Which Slurm release a command is for: as told, or as Slurm's own commands say."""

from __future__ import annotations

import argparse
import re

from slurm_azure.cli.context import Context
from slurm_azure.config import Config
from slurm_azure.errors import PreflightError, SchedulerError
from slurm_azure.slurm.versions import Release


def add_argument(parser: argparse.ArgumentParser) -> None:
    """`--slurm 24.11`."""
    parser.add_argument(
        "--slurm", metavar="RELEASE", type=_release, help="for this release of Slurm, such as 24.11 [the one installed here]"
    )


def _release(text: str) -> Release:
    match = re.fullmatch(r"(\d\d)\.(\d\d)(?:\.\d+)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no release of Slurm, such as 24.11")
    return int(match[1]), int(match[2])


def release_of(options: argparse.Namespace, context: Context, config: Config) -> Release:
    """The release as (year, month). Raises PreflightError if it is neither told nor to be found."""
    if options.slurm is not None:
        year, month = options.slurm
        return year, month
    try:
        return context.scheduler(config).version()
    except SchedulerError as error:
        raise PreflightError(f"Slurm's release is not known: {error}; or give it: --slurm 24.11") from None
