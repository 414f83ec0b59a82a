"""The faults in force over HTTP, and what else the control endpoint tells."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.options import Address, SimulatorOptions
from slurm_azure.simulator.serve import Simulator
from tests.simulator.faulty import control, create, hits, put
from tests.simulator.raw import arm, ask, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure


def names(azure: SimulatedAzure) -> list[str]:
    """The names of the faults in force."""
    return [fault["name"] for fault in azure.control("/faults")["faults"]]


def test_faults_are_put_added_shown_and_taken_back(azure: SimulatedAzure) -> None:
    """PUT replaces, POST adds one or several and says their ids, DELETE takes one or all."""
    written = {"seed": 3, "faults": [{"name": "a", "what": "Conflict"}, {"what": "reset", "vm": "x"}]}
    assert control(azure, "PUT", "/faults", written).body == {"ids": ["a", "fault-1"]}
    added = control(azure, "POST", "/faults", {"what": "lost", "vm": "y"})
    assert (added.status, added.body) == (201, {"ids": ["fault-2"]})
    assert control(azure, "POST", "/faults", [{"what": "lost", "vm": "y"}, {"name": "b", "what": "evict"}]).body["ids"] == [
        "fault-3",
        "b",
    ]
    assert names(azure) == ["a", "fault-1", "fault-2", "fault-3", "b"]
    shown = control(azure, "GET", "/faults/fault-1").body
    assert (shown["what"], shown["vm"], shown["matched"], shown["hits"], shown["active"]) == ("reset", "x", 0, 0, True)
    assert control(azure, "DELETE", "/faults/fault-1").status == 204
    assert control(azure, "DELETE", "/faults/fault-1").status == 404
    assert names(azure) == ["a", "fault-2", "fault-3", "b"]
    assert control(azure, "DELETE", "/faults").status == 204
    assert names(azure) == []


def test_a_name_with_blanks_is_an_id_too(azure: SimulatedAzure) -> None:
    """Percent-encoded in the path, as any URL has it."""
    put(azure, {"name": "zone 2 is full", "what": "ZonalAllocationFailed"})
    assert control(azure, "DELETE", "/faults/zone%202%20is%20full").status == 204


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000, b'[{"what": "x"}]', b'{"what": 1e999}'])
def test_a_plan_with_mistakes_is_refused_as_a_whole(azure: SimulatedAzure, method: str, body: bytes) -> None:
    """400 with the mistakes in words, and what was in force still is."""
    put(azure, {"name": "a", "what": "Conflict"})
    answer = control(azure, method, "/faults", body)
    assert answer.status == 400
    assert answer.body["mistakes"]
    assert names(azure) == ["a"]


def test_a_name_that_is_taken_cannot_be_added(azure: SimulatedAzure) -> None:
    """Names are ids."""
    put(azure, {"name": "a", "what": "Conflict"})
    answer = control(azure, "POST", "/faults", {"name": "a", "what": "reset"})
    assert (answer.status, answer.body["mistakes"]) == (400, ["name: there is a fault 'a' already"])


def test_a_plan_from_a_file_is_in_force_from_the_start(tmp_path: Path) -> None:
    """YAML, as etc/faults.yaml is."""
    file = tmp_path / "plan.yaml"
    file.write_text("faults:\n  - {name: f, what: Conflict, count: 1}\n")
    with simulated_azure(faults=file) as azure:
        assert [create(azure, name).status for name in "ab"] == [409, 201]
        assert hits(azure, "f") == 1


def test_a_bad_file_ends_the_start_with_all_mistakes(tmp_path: Path) -> None:
    """ConfigError, exit code 78, nothing of it a traceback."""
    file = tmp_path / "plan.yaml"
    file.write_text("faults:\n  - {what: Confict}\n  - {what: reset, count: -1}\n")
    anywhere = Address("127.0.0.1", 0)

    async def start() -> None:
        simulator = Simulator(SimulatorOptions(folder=tmp_path / "azure", listen=anywhere, faults=file))
        try:
            await simulator.start()
        finally:
            await simulator.stop()

    with pytest.raises(ConfigError) as caught:
        asyncio.run(start())
    assert len(caught.value.mistakes) == 2
    main = "import sys; from slurm_azure.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "simulate", "--listen", "127.0.0.1:0", "--faults", str(file)]
    ended = subprocess.run([*command, "--folder", str(tmp_path / "b")], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 78
    assert "line 2: faults[0].what: 'Confict' is not known; did you mean Conflict?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_requests_can_be_filtered(azure: SimulatedAzure) -> None:
    """By operation and by VM, the last ones in their order; counts follow the operation."""
    for name in ("a", "b"):
        create(azure, name)
        arm(azure, "GET", vm_path(azure, name))
    found = azure.control("/requests?operation=virtualmachines_*&vm=a")
    assert [(entry["operation"], entry["vm"]) for entry in found["recent"]] == [
        ("VirtualMachines_CreateOrUpdate", "a"),
        ("VirtualMachines_Get", "a"),
    ]
    assert found["counts"] == {"VirtualMachines_CreateOrUpdate": 2, "VirtualMachines_Get": 2}
    assert [entry["vm"] for entry in azure.control("/requests?recent=1")["recent"]] == ["b"]
    for odd in ("-1", "x", "%C2%B2", "9" * 5000):
        assert control(azure, "GET", f"/requests?recent={odd}").status == 400


def test_running_operations_are_listed(slow_azure: SimulatedAzure) -> None:
    """A create that is under way, with its VM and how long it has taken; none when it is over."""
    create(slow_azure, "a")
    slow_azure.advance(5)
    (found,) = slow_azure.control("/operations")["value"]
    assert (found["vm"], found["provisioningState"], found["seconds"]) == ("a", "Creating", 5.0)
    slow_azure.advance(30)
    assert slow_azure.control("/operations")["value"] == []


def test_what_the_control_endpoint_does_not_know(azure: SimulatedAzure) -> None:
    """404 and 405, and no token is needed or of use."""
    for method, path, status in (("GET", "/faults/x", 404), ("PATCH", "/faults", 405), ("PUT", "/operations", 405)):
        assert control(azure, method, path).status == status


def test_large_bodies_are_refused_and_not_read(azure: SimulatedAzure) -> None:
    """413 beyond 4 MB, with a connection that is closed; the simulator goes on."""
    body: Any = json.dumps({"x": "y" * (5 << 20)}).encode()
    try:
        assert ask(str(azure.endpoints.control), "PUT", "/faults", body).status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # closed while the rest was still being sent, as it may
    assert names(azure) == []
