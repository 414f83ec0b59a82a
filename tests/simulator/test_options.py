"""The command line: what it makes of arguments, what it refuses, and what it costs to ask for help."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from slurm_azure.errors import UsageError
from slurm_azure.simulator.options import Address, SimulatorOptions, add_arguments, from_arguments
from slurm_azure.simulator.timing import Distribution


def options(*arguments: str) -> SimulatorOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(arguments))


def test_defaults_are_those_of_the_dataclass() -> None:
    """No argument and a bare SimulatorOptions mean the same."""
    assert options() == SimulatorOptions(folder=Path("simulated-azure"))


def test_every_argument_arrives() -> None:
    """Addresses, rules and spans are read into their types."""
    found = options(
        "--listen", "10.0.0.1:443", "--imds", "169.254.169.254:80", "--imds", "168.63.129.16:80", "--control", "[::1]:0",
        "--machines", "namespace", "--machines-for", "az-*=none", "--boot-seconds", "uniform(1,3)", "--names", "a", "b",
    )  # fmt: skip
    assert found.listen == Address("10.0.0.1", 443)
    assert found.imds == (Address("169.254.169.254", 80), Address("168.63.129.16", 80))
    assert found.control == Address("::1", 0)
    assert (found.machines, found.machines_for) == ("namespace", (("az-*", "none"),))
    assert found.boot_seconds == Distribution("uniform", 1.0, 3.0)
    assert found.names == ("a", "b")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "8443"),
        ("--listen", "host:port"),
        ("--imds", "127.0.0.1:70000"),
        ("--machines-for", "az-*"),
        ("--machines-for", "az-*=qemu"),
        ("--page-size", "0"),
        ("--retry-after", "-1"),
        ("--boot-seconds", "soon"),
        ("--clock-factor", "0"),
        ("--clock-factor", "nan"),
        ("--clock-factor", "inf"),
        ("--list-lag", "nan"),
        ("--role-lag", "inf"),
        ("--events-delay", "-1"),
        ("--names", "größe.example"),
        ("--names", ""),
    ],
)
def test_mistakes_are_usage_errors(arguments: tuple[str, ...]) -> None:
    """What cannot be is refused before anything is started."""
    with pytest.raises(UsageError):
        options(*arguments)


def test_the_built_in_estate_can_be_printed_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    """--print-estate writes JSON that --estate takes."""
    with pytest.raises(SystemExit) as ended:
        options("--print-estate")
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["subscriptions"][0]["resource_groups"] == ["slurm-burst", "net"]


def test_reading_the_command_line_loads_no_server() -> None:
    """The options do not cost the import of aiohttp or cryptography: `slurm-azure --help` shows them too."""
    code = "import sys, slurm_azure.simulator.options; print(sorted({'aiohttp', 'cryptography', 'jwt'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
