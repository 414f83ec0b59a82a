"""docs/commands.md has every command, every flag and every exit code, and no other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_azure.cli import errors as cli_errors
from slurm_azure.cli.main import COMMANDS, make_parser
from slurm_azure.cli.timeline import What
from slurm_azure.errors import SlurmAzureError
from slurm_azure.lifecycle.offers import COOL_DOWNS
from slurm_azure.model import Priority

TEXT = (Path(__file__).parents[2] / "docs/commands.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in TEXT.split("\n## ")[1:]}
GLOBAL = {"--config", "--state", "-v", "--verbose", "-q", "--quiet", "-h", "--help"}


def parser_of(command: str) -> argparse.ArgumentParser:
    """A command's own parser."""
    action = next(one for one in make_parser()._actions if isinstance(one, argparse._SubParsersAction))
    parser = action.choices[command]
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


def all_errors(root: type[SlurmAzureError] = SlurmAzureError) -> Iterator[type[SlurmAzureError]]:
    """The whole tree."""
    yield root
    for one in root.__subclasses__():
        yield from all_errors(one)


def flags_in(text: str) -> set[str]:
    """The flags and operands that stand in the first column of a section's tables."""
    cells = re.findall(r"^\| (`.*?`) \| ", text, flags=re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`(--?[a-z-]+|[A-Z]+)", cell)}


def test_every_command_has_its_section() -> None:
    """In the order of --help."""
    assert [title for title in SECTIONS if title != "Exit codes"] == [f"slurm-azure {command}" for command in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_documented(command: str) -> None:
    """The table of a command has its flags and operands, none missing and none too many."""
    taken = {name for action in parser_of(command)._actions for name in (action.option_strings or [action.dest.upper()])}
    assert flags_in(SECTIONS[f"slurm-azure {command}"]) == taken - GLOBAL


def test_the_flags_of_all_commands_are_documented() -> None:
    """Those that may stand before and after the command, and --version."""
    assert flags_in(TEXT.partition("\n## ")[0]) == GLOBAL | {"--version"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_says_what_it_does(command: str) -> None:
    """--help has a text for each."""
    assert all(action.help for action in parser_of(command)._actions)


def test_every_exit_code_is_documented() -> None:
    """Those of all exceptions and those of the command line itself, none missing and none too many."""
    documented = {int(code) for code in re.findall(r"^\| (\d+) \| ", SECTIONS["Exit codes"], flags=re.MULTILINE)}
    own = {value for name, value in vars(cli_errors).items() if name.isupper() and isinstance(value, int)}
    assert documented == {0} | own | {error.exit_code for error in all_errors()}


def test_every_kind_of_entry_is_documented() -> None:
    """The words that `why --json` may use for `what`."""
    assert ", ".join(What) in SECTIONS["slurm-azure why"]


def test_the_times_of_cool_downs_are_those_documented() -> None:
    """docs/administration.md has a row for each reason, with its first and its longest time."""
    text = (Path(__file__).parents[2] / "docs/administration.md").read_text()
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (\d+) (min|h)(?: \(Spot: (\d+) min\))? \| (\d+) (min|h) \|$", text, flags=re.MULTILINE
    )
    unit = {"min": 60.0, "h": 3600.0}
    documented = {
        name: (int(first) * unit[of], int(spot or first) * unit["min" if spot else of], int(longest) * unit[at_most])
        for name, first, of, spot, longest, at_most in rows
    }
    assert documented == {
        reason.value: (times.first, times.of(Priority.SPOT)[0], times.longest) for reason, times in COOL_DOWNS.items()
    }
