"""slurm-azured as a process: systemd, signals, kill -9, reload; with the real Azure SDK over TLS against the simulator."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_azure.journal import Journal
from tests.support.processes import DaemonProcess, until
from tests.support.simulated_azure import DAEMON_SECRET, SimulatedAzure, simulated_azure


@pytest.fixture(scope="module")
def azure() -> Iterator[SimulatedAzure]:
    with simulated_azure() as azure:
        yield azure


@pytest.fixture
def daemon(tmp_path: Path, azure: SimulatedAzure) -> Iterator[DaemonProcess]:
    azure.forget()
    daemon = DaemonProcess(tmp_path, azure)
    try:
        yield daemon
    finally:
        daemon.close()


def names(azure: SimulatedAzure) -> list[str]:
    """Host names of the VMs that are there."""
    return sorted(vm["tags"]["slurm-azure-node"] for vm in azure.vms())


def test_a_node_costs_two_writes_in_its_life(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """Twenty nodes up and down through hooks, daemon, SDK and TLS: twenty PUTs, twenty DELETEs, a handful of lists."""
    daemon.start()
    daemon.hook("resume", "az-[1-20]")
    until(lambda: len(azure.vms()) == 20, what="20 VMs")
    daemon.hook("suspend", "az-[1-20]")
    until(lambda: azure.vms() == [], what="no VM left")
    until(lambda: daemon.metrics()['slurm_azure_stage_duration_seconds_count{pool="hb",stage="gone"}'] == 20)
    counts = azure.counts()
    assert counts["VirtualMachines_CreateOrUpdate"] == counts["VirtualMachines_Delete"] == 20
    reads = {name for name in counts if name not in ("VirtualMachines_CreateOrUpdate", "VirtualMachines_Delete")}
    assert reads <= {"VirtualMachines_List", "Login_Token", "Login_OpenIdConfiguration"}
    assert counts["VirtualMachines_List"] <= 8


def test_sigterm_ends_it_cleanly(daemon: DaemonProcess) -> None:
    """Within 10 s, exit 0, systemd told, and the lock is free for the next one."""
    daemon.start()
    code, seconds = daemon.terminate()
    assert code == 0
    assert seconds < 10
    assert daemon.told("STOPPING=1")
    daemon.start()


def test_kill_9_in_the_middle_of_a_burst_loses_and_doubles_nothing(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """S4, invariants 1 to 4: killed three times while 50 nodes are created, then while they are deleted."""
    daemon.start()
    daemon.hook("resume", "az-[1-50]")
    for wanted in (5, 20, 35):
        until(lambda wanted=wanted: len(azure.vms()) >= wanted, what=f"{wanted} VMs")  # type: ignore[misc]
        daemon.kill()
        daemon.start()
    until(lambda: len(azure.vms()) >= 50, what="50 VMs")
    assert set(Counter(names(azure)).values()) == {1}
    daemon.hook("suspend", "az-[1-50]")
    until(lambda: len(azure.vms()) < 40, what="the first deletes")
    daemon.kill()
    daemon.start()
    until(lambda: azure.vms() == [], what="no VM left")
    journal = Journal.open(daemon.folder / "journal.db", readonly=True)
    until(lambda: journal.unfinished() == [], what="the journal to know")
    assert len(journal.launches()) == 50
    journal.close()


def test_requests_made_while_it_is_away_are_served(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """Invariant 10: hooks accept without a daemon; at its return everything pending happens."""
    daemon.start()
    daemon.kill()
    daemon.hook("resume", "az-[1-3]")
    daemon.hook("resume", "az-[1-3]")
    daemon.start()
    until(lambda: names(azure) == ["az-1", "az-2", "az-3"], what="3 VMs")
    daemon.hook("suspend", "az-[1-3]")
    until(lambda: azure.vms() == [])
    assert azure.counts()["VirtualMachines_CreateOrUpdate"] == 3


def test_a_reload_takes_the_new_configuration_or_keeps_the_old(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """SIGHUP: a file with mistakes is told and changes nothing; a good one counts at once."""
    daemon.start()
    good = daemon.config.read_text()
    daemon.config.write_text(good.replace("cluster:", "clutser:"))
    daemon.reload()
    assert "clutser: unknown key; did you mean 'cluster'?" in daemon.log.read_text()
    daemon.hook("resume", "az-1")
    until(lambda: names(azure) == ["az-1"])
    daemon.write_config("az-[1-60]")
    daemon.reload()
    daemon.hook("resume", "az-60")
    until(lambda: names(azure) == ["az-1", "az-60"])
    daemon.hook("suspend", "az-[1,60]")
    until(lambda: azure.vms() == [])


def test_a_reload_that_finds_no_secret_changes_nothing_at_all(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """SIGHUP with a credential's file that is not there: pools, Azure and Slurm stay as they were, and go on working."""
    daemon.start()
    daemon.write_config("az-[1-60]")
    daemon.config.write_text(daemon.config.read_text().replace(str(azure.secret_file), "/nonexistent/secret"))
    daemon.reload()
    assert "the configuration stays as it was" in daemon.log.read_text()
    daemon.hook("resume", "az-[1,60]")
    until(lambda: names(azure) == ["az-1"])
    assert "not in any pool, left alone: az-60" in daemon.log.read_text()
    daemon.hook("suspend", "az-1")
    until(lambda: azure.vms() == [])


def test_two_daemons_on_one_state_are_refused(daemon: DaemonProcess) -> None:
    """Two would make two VMs of one request: the second says so and ends with 69."""
    daemon.start()
    command = [sys.executable, "-m", "slurm_azure.daemon.service", "--config", str(daemon.config)]
    second = subprocess.run(
        [*command, "--state", str(daemon.folder), "--run", str(daemon.folder)], capture_output=True, check=False
    )
    assert second.returncode == 69
    assert b"another slurm-azured already serves" in second.stderr


def test_a_bad_configuration_is_exit_78_without_a_traceback(daemon: DaemonProcess) -> None:
    """All mistakes, a line each."""
    daemon.config.write_text("cluster: x\nazure: {}\n")
    command = [
        sys.executable,
        "-m",
        "slurm_azure.daemon.service",
        "--config",
        str(daemon.config),
        "--state",
        str(daemon.folder),
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 78
    assert done.stderr.count(b"missing") >= 5
    assert b"Traceback" not in done.stderr


def test_no_secret_is_in_log_journal_or_metrics(daemon: DaemonProcess, azure: SimulatedAzure) -> None:
    """Invariant 9, after a node's whole life."""
    daemon.start()
    daemon.hook("resume", "az-7")
    until(lambda: names(azure) == ["az-7"])
    daemon.hook("suspend", "az-7")
    until(lambda: azure.vms() == [])
    daemon.terminate()
    for path in daemon.folder.rglob("*"):
        if path.is_file():
            assert DAEMON_SECRET.encode() not in path.read_bytes(), path
    assert "Bearer" not in daemon.log.read_text()
