"""`slurm-azure`: finds the command, hands it its options, and leaves every exception to errors.py."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from slurm_azure import __version__
from slurm_azure.cli.context import Context
from slurm_azure.cli.errors import guard
from slurm_azure.errors import UsageError

COMMANDS = {
    "status": "pools, nodes, VMs, what is on its way, what failed, USD per hour",
    "why": "what happened to a node, when, and why",
    "pause": "make nothing new in Azure for a while, in the whole site or one pool; what runs goes on",
    "resume-service": "take a pause back",
    "sweep": "what is left in Azure or in Slurm that belongs to nothing; with --yes it is removed",
    "check": "try configuration, templates, node lines and hooks, without Azure",
    "generate": "write or print Slurm's part of the configuration",
    "render": "print the user data a node gets at its first boot",
    "simulate": "run a simulated Azure on this machine",
    "version": "print versions of slurm-azure and of what it stands on",
}
"""Each command and what it does in one line; `cli/<command>.py` (`_` for `-`) has `add_arguments(parser)` and
`run(options, context)`."""

_CONFIG = "/etc/slurm-azure/slurm-azure.yaml"
_STATE = "/var/lib/slurm-azure"


class _Parser(argparse.ArgumentParser):
    """argparse, with its complaints as UsageError: one line, like every other."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (docs/commands.md lists them). Uses sys.argv if not given arguments."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = any(word in ("-v", "--verbose") for word in words)
    return guard(lambda: _run(words), verbose)


def _run(words: list[str]) -> int:
    options = make_parser({word for word in words if word in COMMANDS}).parse_args(words)
    if options.command is None:
        make_parser(()).print_help()
        return 0
    _start_logging(options.verbose)
    context = Context(Path(options.config), Path(options.state), options.verbose, options.quiet)
    code = _module_of(options.command).run(options, context)
    assert isinstance(code, int)  # noqa: S101 - holds a command to its contract
    return code


def make_parser(commands: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser; only `commands` get their own arguments, so that only their files are loaded."""
    parser = _Parser("slurm-azure", description="Cloud partitions for a Slurm cluster of your own.", allow_abbrev=False)
    _add_globals(parser, is_command=False)
    parser.add_argument("--version", action="version", version=f"slurm-azure {__version__}")
    parser.set_defaults(command=None)
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, text in COMMANDS.items():
        command = choices.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        _add_globals(command, is_command=True)
        if name in commands:
            _module_of(name).add_arguments(command)
    return parser


def _module_of(command: str) -> ModuleType:
    return import_module(f"slurm_azure.cli.{command.replace('-', '_')}")


def _add_globals(parser: argparse.ArgumentParser, is_command: bool) -> None:
    """The flags that may stand before or after the command; after it they must not overwrite with a default."""

    def default(value: object) -> object:
        return argparse.SUPPRESS if is_command else value

    group = parser.add_argument_group("for every command")
    group.add_argument(
        "--config",
        metavar="FILE",
        default=default(os.environ.get("SLURM_AZURE_CONFIG") or _CONFIG),
        help=f"configuration [SLURM_AZURE_CONFIG, or {_CONFIG}]",
    )
    group.add_argument("--state", metavar="DIR", default=default(_STATE), help=f"where journal and spool are [{_STATE}]")
    group.add_argument("-v", "--verbose", action="store_true", default=default(False), help="say more; show tracebacks")
    group.add_argument("-q", "--quiet", action="store_true", default=default(False), help="no remarks on stderr")


def _start_logging(verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True)
    for name in ("azure", "azure.identity", "azure.core", "msal"):
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.CRITICAL)  # the error says it, in one line
