"""docs/simulator.md: its program runs, and its tables have every option and operation, and no other."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slurm_azure.simulator.arm import not_simulated
from slurm_azure.simulator.options import add_arguments
from tests.support.simulated_azure import simulated_azure

FILE = Path(__file__).parents[2] / "docs/simulator.md"
TEXT = FILE.read_text()
COMMAND = [sys.executable, "-m", "slurm_azure.simulator", "--listen", "127.0.0.1:0", "--clock-factor", "100"]


@pytest.mark.timeout(120)
def test_the_program_runs_as_it_stands(tmp_path: Path) -> None:
    """With the environment that the simulator itself suggests, word by word, and only its clock faster."""
    (program,) = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    process = subprocess.Popen(
        [*COMMAND, "--folder", str(tmp_path / "azure")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        told = [process.stderr.readline() for _ in range(10)]
        exports = "".join(line.strip() + "\n" for line in told if line.strip().startswith("export "))
        shell = f"{exports}exec {sys.executable} {tmp_path / 'program.py'}"
        done = subprocess.run(["sh", "-euc", shell], capture_output=True, text=True, timeout=90, check=False)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "vm1 Succeeded",
        "['ProvisioningState/succeeded', 'PowerState/running']",
        "[]",
    ]


def test_every_option_is_named() -> None:
    """Each option of the command line is in a table or in the text, and none that there is not."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    there = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    named = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", TEXT))
    others = {"--endpoint-resource-manager"}  # of `az cloud register`
    assert there - {"--help"} <= named
    assert named - others <= there


def test_every_operation_is_in_the_table() -> None:
    """The table has the operations of Resource Manager that are answered otherwise than by 501, and no other."""
    with simulated_azure() as azure:
        there = {route.operation for route in azure.simulator.routes}
    there -= {route.operation for route in not_simulated.routes()}
    table = TEXT.partition("## What is simulated, and how truly")[2]
    named = set(re.findall(r"`([A-Z][A-Za-z]+_[A-Z][A-Za-z]+)`", table))
    assert named == there
