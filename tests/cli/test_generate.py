"""`slurm-azure generate` and `render`: what reaches files and stdout, and what does not."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from slurm_azure.boot.user_data import UserData
from slurm_azure.cli.generate import write_if_changed
from slurm_azure.config import load_config
from tests.support.configs import a_document
from tests.support.sites import Site


def lines(text: str) -> list[str]:
    """What is neither comment nor empty."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_printed(site: Site) -> None:
    """Without --write both parts are on stdout, the file's and slurm.conf's."""
    site.slurm()
    ran = site.run("generate")
    assert ran.code == 0
    assert any(line.startswith("NodeName=az-[1-50] ") for line in lines(ran.out))
    assert lines(ran.out)[-1] == "Include azure-burst.conf"


def test_written(site: Site) -> None:
    """With --write the file is made, stdout has only what slurm.conf needs, and the talk is on stderr."""
    site.slurm()
    ran = site.run("generate", "--write", str(site.folder))
    file = site.folder / "azure-burst.conf"
    assert ran.code == 0
    assert "PartitionName=cloud" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert not any(line.startswith(("NodeName", "PartitionName")) for line in lines(ran.out))
    assert f"slurm-azure: {file} written\n" in ran.err
    assert site.run("-q", "generate", "--write", str(site.folder)).err == ""


def test_a_file_that_is_right_is_left_alone(site: Site) -> None:
    """The same text is not written again: its time tells when something changed."""
    site.slurm()
    site.run("generate", "--write", str(site.folder))
    file = site.folder / "azure-burst.conf"
    os.utime(file, (1, 1))
    assert "is as it should be already" in site.run("generate", "--write", str(site.folder)).err
    assert file.stat().st_mtime == 1
    site.configure(nodes="az-[1-51]")
    site.run("generate", "--write", str(site.folder))
    assert "az-[1-51]" in file.read_text()


def test_the_installed_slurm_is_asked_unless_told(site: Site) -> None:
    """The release decides about some lines; without one there is no guess, but exit 69 and the flag's name."""
    ran = site.run("generate")
    assert (ran.code, ran.out) == (69, "")
    assert "give it: --slurm 24.11" in ran.err
    site.slurm()
    assert "Slurm 22.05." in site.run("generate").out
    assert "Slurm 24.11." in site.run("generate", "--slurm", "24.11.5").out
    assert site.run("generate", "--slurm", "new").code == 2


def test_what_cannot_work_is_refused(site: Site) -> None:
    """Node lines that slurmctld would drain are mistakes of the configuration: exit 78, and the old file stays."""
    (site.folder / "azure-burst.conf").write_text("old\n")
    site.configure(pools={"hb": {**a_document()["pools"]["hb"], "hardware": {"cores_per_socket": 64, "memory_mib": 1}}})
    ran = site.run("generate", "--slurm", "24.11", "--write", str(site.folder))
    assert ran.code == 78
    assert f"{site.config}: pools.hb.hardware: 64 cores" in ran.err
    assert (site.folder / "azure-burst.conf").read_text() == "old\n"


def test_doubts_are_said_and_do_not_stop(site: Site) -> None:
    """What is merely odd goes to stderr."""
    site.configure(partitions={"cloud": {"pools": ["hb"], "resume_timeout": 60}})
    ran = site.run("generate", "--slurm", "24.11")
    assert ran.code == 0
    assert "slurm-azure: doubtful: partitions.cloud.resume_timeout: " in ran.err


def test_gres_lines_are_not_for_slurm_conf(site: Site) -> None:
    """They are printed as comments: who appends the output to slurm.conf does not append them."""
    pool = {**a_document()["pools"]["hb"], "sizes": ["Standard_NC4as_T4_v3"], "gres": ["gpu:t4:1"]}
    site.configure(pools={"hb": pool})
    ran = site.run("generate", "--slurm", "24.11", "--write", str(site.folder))
    assert "#NodeName=az-[1-50] Name=gpu Type=t4 File=/dev/nvidia0" in ran.out
    assert "GresTypes=gpu" in lines(ran.out)
    assert not any("nvidia0" in line for line in lines(ran.out))


def test_names_for_the_hosts_file(site: Site) -> None:
    """Releases that need it get a line for each node in the file named; a newer one has ours taken out again."""
    file = site.folder / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    ran = site.run("generate", "--slurm", "22.05", "--hosts", str(file))
    assert (ran.code, f"slurm-azure: {file} written\n" in ran.err) == (0, True)
    assert len(file.read_text().splitlines()) == 51
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert "is as it should be already" in site.run("generate", "--slurm", "22.05", "--hosts", str(file)).err
    site.run("generate", "--slurm", "24.11", "--hosts", str(file))
    assert file.read_text() == "127.0.0.1 localhost\n"


def test_a_hosts_file_that_is_no_text(site: Site) -> None:
    """It is left as it is: one line that names it, exit 74."""
    file = site.folder / "hosts"
    file.write_bytes(b"10.0.0.1 caf\xe9\n")
    ran = site.run("generate", "--slurm", "22.05", "--hosts", str(file))
    assert ran.code == 74
    assert ran.err.splitlines()[-1] == f"slurm-azure: {file}: is no text in UTF-8"
    assert file.read_bytes() == b"10.0.0.1 caf\xe9\n"


def test_a_folder_that_is_not_there(site: Site) -> None:
    """One line that names the file, exit 74."""
    ran = site.run("generate", "--slurm", "24.11", "--write", str(site.folder / "nope"))
    assert ran.code == 74
    assert ran.err.splitlines()[-1] == f"slurm-azure: {site.folder}/nope/azure-burst.conf: No such file or directory"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """What cannot be written as a whole changes nothing and leaves no draft behind."""
    file = tmp_path / "f"
    file.write_text("old")
    began = time.time_ns()
    with pytest.raises(UnicodeEncodeError):
        write_if_changed(file, "new \udc80")
    assert file.read_text() == "old"
    assert file.stat().st_mtime_ns < began
    assert list(tmp_path.iterdir()) == [file]


def test_render_is_what_azure_gets(site: Site) -> None:
    """To the byte what the daemon would send, and nothing else."""
    ran = site.run("render", "az-7")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == UserData(load_config(site.config)).render("az-7", "hb")


def test_render_tells_an_unknown_node(site: Site) -> None:
    """With the nearest name, exit 2."""
    ran = site.run("render", "azz-7")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "slurm-azure: 'azz-7' is in no pool of the configuration; did you mean az-7?\n"
