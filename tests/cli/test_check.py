"""`slurm-azure check`, whole; its parts are tested in test_files.py and here."""

from __future__ import annotations

import json
import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.cli.findings import Level, fail, ok, warn
from slurm_azure.cli.slurm_conf import check_include, check_slurm_conf
from tests.support.configs import a_document
from tests.support.sites import Site


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that this machine knows: those of the small configuration, until a test takes them away. No DNS is asked."""
    names = {f"az-{number}" for number in range(1, 51)}

    def getaddrinfo(name: str, *_: object, **__: object) -> list[object]:
        if name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def levels(out: str) -> dict[str, str]:
    """The gravest level of each subject."""
    order = [level.value for level in Level]
    found: dict[str, str] = {}
    for line in out.splitlines():
        level, about = line[:4].strip(), line[6:].partition(":")[0]
        found[about] = max(found.get(about, "OK"), level, key=order.index)
    return found


def installed(site: Site) -> None:
    """A head node on which all steps of the administration guide were done."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    site.slurm()
    (site.state / "spool").mkdir(parents=True)
    advice = site.run("generate", "--write", str(site.folder)).out
    (site.folder / "slurm.conf").write_text(f"ClusterName=test\nSlurmUser={me}\n{advice}")


def test_a_head_node_on_which_all_is_done(site: Site) -> None:
    """Nothing but OK, exit 0, and what was tried is named."""
    installed(site)
    ran = site.run("check")
    assert set(levels(ran.out).values()) == {"OK"}, ran.out
    assert ran.code == 0
    assert set(levels(ran.out)) == {
        "configuration",
        "pools.hb",
        "Slurm",
        "node lines",
        "azure-burst.conf",
        "slurm.conf",
        "names of nodes",
        "hook resume",
        "hook suspend",
        "hook resume-fail",
        "state folder",
    }


def test_names_nobody_knows_are_for_old_releases_only(site: Site, known: set[str]) -> None:
    """On a head node whose release looks names up, unknown ones are a warning and no failure; a newer one does not ask."""
    installed(site)
    known.clear()
    ran = site.run("check", "--slurm", "22.05")
    assert (ran.code, levels(ran.out)["pools.hb.nodes"]) == (0, "WARN")
    assert "pools.hb.nodes" not in site.run("check", "--slurm", "24.11").out


def test_quiet_shows_what_is_not_well(site: Site) -> None:
    """-q: silence is health."""
    installed(site)
    assert site.run("-q", "check").out == ""


def test_on_another_machine_nothing_fails(site: Site) -> None:
    """In CI, without Slurm and state folder, a sound configuration passes with warnings."""
    ran = site.run("check")
    assert ran.code == 0
    assert levels(ran.out)["Slurm"] == "WARN"
    assert "26.05 is assumed" in ran.out


def test_mistakes_of_the_configuration_end_it(site: Site) -> None:
    """All mistakes, nothing else, exit 78."""
    site.configure(nodes="az-[1-", munge={"source": "key-vault"})
    ran = site.run("check")
    assert (ran.code, ran.out) == (78, "")
    assert ran.err


def test_node_lines_that_do_not_fit_fail(site: Site) -> None:
    """What generate would refuse fails here with generate's exit code, and the rest is checked all the same."""
    site.configure(pools={"hb": {**a_document()["pools"]["hb"], "hardware": {"cores_per_socket": 64, "memory_mib": 1}}})
    ran = site.run("check", "--slurm", "24.11")
    assert ran.code == site.run("generate", "--slurm", "24.11").code == 78
    assert levels(ran.out)["pools.hb.hardware"] == "FAIL"
    assert "hook resume" in levels(ran.out)


def test_sizes_that_do_not_go_together_fail(site: Site) -> None:
    """A later size with less than the first is named with its figures, unless the site says what all of them have."""
    pool = {**a_document()["pools"]["hb"], "sizes": ["Standard_D4s_v5", "Standard_F2s_v2"]}
    site.configure(pools={"hb": pool})
    ran = site.run("check")
    assert ran.code == 78
    assert "FAIL  pools.hb.sizes: Standard_F2s_v2 has 2 vCPUs (1 cores), and Standard_D4s_v5 before it 4 (2 cores)" in ran.out
    site.configure(pools={"hb": {**pool, "hardware": {"cores_per_socket": 1, "threads_per_core": 2, "memory_mib": 3000}}})
    assert site.run("check").code == 0


def test_a_budget_without_prices_is_a_warning(site: Site) -> None:
    """A size without a known price would never be launched: told before, with the key to set."""
    hardware = {"cores_per_socket": 1, "memory_mib": 1000}
    pool = {**a_document()["pools"]["hb"], "sizes": ["Standard_Imaginary_v9"], "hardware": hardware}
    site.configure(pools={"hb": pool}, budget={"cost_per_month": 500.0})
    ran = site.run("check")
    assert ran.code == 0
    assert "WARN  pools.hb.sizes: no known price in westeurope for Standard_Imaginary_v9" in ran.out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": {"nodes": 0}}, "pools.hb.budget.nodes: 0: no VM of pool hb is ever launched"),
        ({"budget": {"cores": 1}}, "pools.hb.budget.cores: 1 is less than one VM of pool hb has (2)"),
        ({"deadlines": {"create": "9m", "boot": "9m"}}, "pools.hb.deadlines: create (540 s) and boot (540 s) together are not"),
        ({"zones": ["1", "2", "1"]}, "pools.hb.zones: 1 is listed twice"),
    ],
)
def test_what_makes_no_sense_is_a_warning(site: Site, changes: dict[str, Any], said: str) -> None:
    """Limits that no VM fits, deadlines beyond ResumeTimeout, a zone listed twice: allowed, and told before they puzzle."""
    pool = {**a_document()["pools"]["hb"], "sizes": ["Standard_D4s_v5"]}
    site.configure(pools={"hb": pool})
    assert f"WARN  {said}" not in site.run("check").out
    site.configure(pools={"hb": {**pool, **changes}})
    ran = site.run("check")
    assert ran.code == 0
    assert f"WARN  {said}" in ran.out


def test_a_template_that_does_not_render_fails(site: Site) -> None:
    """A pool's own user data that is no cloud-config is told for that pool, exit 1."""
    (site.folder / "own.yaml").write_text("packages: [\n")
    site.configure(pools={"hb": {**a_document()["pools"]["hb"], "user_data": str(site.folder / "own.yaml")}})
    ran = site.run("check")
    assert ran.code == 1
    assert levels(ran.out)["pools.hb"] == "FAIL"


def test_a_secret_that_others_can_read_fails(site: Site) -> None:
    """The check of files is part of the whole."""
    secret = site.folder / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    principal = {"kind": "secret", "tenant": "t", "client": "c", "secret_file": str(secret)}
    site.configure(azure={**a_document()["azure"], "credential": principal})
    ran = site.run("check")
    assert ran.code == 1
    assert levels(ran.out)["azure.credential.secret_file"] == "FAIL"


def test_for_scripts(site: Site) -> None:
    """--json has the same findings, in the same order."""
    document = json.loads(site.run("check", "--json").out)
    assert document["version"] == 1
    assert {"about", "level", "remedy", "text"} == set(document["findings"][0])
    plain = site.run("check").out.splitlines()
    assert [line[:4].strip() for line in plain] == [finding["level"] for finding in document["findings"]]


def test_lines_line_up() -> None:
    """Level first, so that grep ^FAIL works; the remedy last."""
    assert str(ok("a", "b")) == "OK    a: b"
    assert str(warn("a", "b")) == "WARN  a: b"
    assert str(fail("a", "b", "do c")) == "FAIL  a: b; do c"


def test_an_include_file_of_yesterday(tmp_path: Path) -> None:
    """A configuration that was changed without generate is a warning with the command."""
    (tmp_path / "azure-burst.conf").write_text("old\n")
    assert check_include(tmp_path, "old\n").level is Level.OK
    found = check_include(tmp_path, "new\n")
    assert found.level is Level.WARN
    assert found.remedy.startswith(f"slurm-azure generate --write {tmp_path}")


ADVICE = """\
# why
ResumeProgram=/x/resume
ResumeTimeout=900
SlurmctldParameters=enable_configless,cloud_reg_addrs
#Opt=1
Include azure-burst.conf
"""


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (ADVICE, []),
        (ADVICE.replace("900", "1200"), []),
        (ADVICE.replace("ResumeProgram", "  resumeprogram ").replace("=/x/resume", " = /x/resume # ours"), []),
        (ADVICE.replace("enable_configless", "idle_on_node_suspend, Enable_Configless"), []),
        (ADVICE.replace("azure-burst.conf", "/etc/slurm/azure-burst.conf"), []),
        (ADVICE.replace("900", "60"), ["ResumeTimeout=900"]),
        (ADVICE.replace("/x/resume", "/y/resume"), ["ResumeProgram=/x/resume"]),
        (ADVICE.replace(",cloud_reg_addrs", ""), ["SlurmctldParameters=enable_configless,cloud_reg_addrs"]),
        (ADVICE.replace("Include", "#Include"), ["Include azure-burst.conf"]),
        (ADVICE.replace("ResumeProgram", "#ResumeProgram"), ["ResumeProgram=/x/resume"]),
    ],
)
def test_what_slurm_conf_lacks(tmp_path: Path, text: str, missing: list[str]) -> None:
    """Each needed line that is not there, read as slurmctld reads it: any case, blanks, comments, lists with more in them."""
    (tmp_path / "slurm.conf").write_text(text)
    found = [finding for finding in check_slurm_conf(tmp_path / "slurm.conf", ADVICE) if finding.level is Level.WARN]
    assert [finding.text.partition(" does not say ")[2] for finding in found] == missing
