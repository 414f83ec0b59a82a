"""docs/simulator.md: its program runs, and its tables have every option and operation, and no other."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.arm import not_simulated
from slurm_azure.simulator.estate import load
from slurm_azure.simulator.faults.reading import read_file
from slurm_azure.simulator.offering import CapacityEntry, PriceEntry, QuotaEntry, Restriction, SizeEntry
from slurm_azure.simulator.options import add_arguments
from tests.support.simulated_azure import simulated_azure

FILE = Path(__file__).parents[2] / "docs/simulator.md"
TEXT = FILE.read_text()
COMMAND = [sys.executable, "-m", "slurm_azure.simulator", "--listen", "127.0.0.1:0", "--clock-factor", "100"]


def _programs() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(120)
def test_the_fixture_works_as_it_stands(tmp_path: Path) -> None:
    """A reader's own test around a simulator of its own, as pytest runs it in an empty folder."""
    _, fixture = _programs()
    (tmp_path / "test_mine.py").write_text(fixture)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(tmp_path / "base"),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=found, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("plan", re.findall(r"^```yaml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL))
def test_the_plans_of_faults_can_be_read(plan: str, tmp_path: Path) -> None:
    """Each example is a plan without mistakes."""
    (tmp_path / "plan.yaml").write_text(plan)
    assert read_file(tmp_path / "plan.yaml").faults


def test_every_key_of_the_estate_is_in_its_table(tmp_path: Path) -> None:
    """What an object of the estate may hold is what its reader says when it meets something else."""
    table = TEXT.partition("## The estate")[2].partition("## Machines")[0]
    odd = {"odd": 1}
    subscription = {"id": "s", "resource_groups": ["g"]}
    wrong: list[dict[str, Any]] = [odd, {"subscriptions": [odd]}, {"service_principals": [odd]}, {"vaults": [odd]}]
    wrong += [{"subscriptions": [subscription | {key: [odd]}]} for key in ("virtual_networks", "identities")]
    wrong += [{"service_principals": [{"client_id": "c", "federated_credentials": [odd]}]}, {"role_assignments": [odd]}]
    wrong += [{"vaults": [{"name": "v", "secrets": {"k": odd}}]}]
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", table))))
    for entry in wrong:
        (tmp_path / "e.json").write_text(json.dumps({"tenant": "t", "location": "l"} | entry))
        with pytest.raises(ConfigError, match="known: ") as refused:
            load(tmp_path / "e.json", tmp_path)
        known = str(refused.value).partition("known: ")[2].rstrip(")").split(", ")
        assert set(known) <= named, known
    for kind in (SizeEntry, Restriction, QuotaEntry, CapacityEntry, PriceEntry):
        assert {field.name for field in dataclasses.fields(kind)} <= named, kind


@pytest.mark.timeout(120)
def test_the_program_runs_as_it_stands(tmp_path: Path) -> None:
    """With the environment that the simulator itself suggests, word by word, and only its clock faster."""
    program, _ = _programs()
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
    others = {"--endpoint-resource-manager", "--service-principal", "--tenant", "--method", "--body", "--url"}  # of az
    others |= {"--created", "--interval"}
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
