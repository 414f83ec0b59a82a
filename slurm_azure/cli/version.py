"""`slurm-azure version`: what runs here, for a bug report."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata

from slurm_azure import __version__
from slurm_azure.cli.context import Context
from slurm_azure.cli.table import table
from slurm_azure.errors import ConfigError, SchedulerError

LIBRARIES = (
    "azure-core",
    "azure-identity",
    "azure-mgmt-compute",
    "jinja2",
    "prometheus-client",
    "pydantic",
    "ruamel.yaml",
    "tenacity",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `version`."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, context: Context) -> int:
    """Print the versions; what cannot be found is null."""
    versions: dict[str, str | None] = {"slurm-azure": __version__, "python": platform.python_version()}
    versions |= {name: _library(name) for name in LIBRARIES}
    versions["slurm"] = _slurm(context)
    if options.json:
        context.say_json({"versions": versions})
    else:
        context.say(table(["WHAT", "VERSION"], list(versions.items())))
    return 0


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _slurm(context: Context) -> str | None:
    """Slurm's release, if its commands are where the configuration says; without one, where they usually are."""
    from pathlib import Path

    from slurm_azure.slurm.scontrol import SlurmCommands

    try:
        scheduler = context.scheduler(context.config())
    except ConfigError:
        scheduler = SlurmCommands(Path("/usr/bin"), Path("/etc/slurm/slurm.conf"))
    try:
        year, month = scheduler.version()
    except SchedulerError as error:
        context.remark(f"no Slurm found: {error}")
        return None
    return f"{year}.{month:02}"
