"""The command line as such: finding commands, global flags, what is loaded."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurm_azure import __version__
from slurm_azure.cli.main import COMMANDS, main, make_parser
from tests.support.sites import Site


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """No argument: help on stdout, exit 0."""
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of every command works, exit 0."""
    assert main([command, "--help"]) == 0
    assert f"usage: slurm-azure {command}" in capsys.readouterr().out


def test_version_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """--version is one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"slurm-azure {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["render"], "required: NODE"),
        (["why", "az-1", "--last", "x"], "'x' is no number of launches"),
        (["status", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["status", "--js"], "unrecognized arguments: --js"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No usage block, no traceback: the complaint, and where to read on."""
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("slurm-azure: ")
    assert said in err
    assert "--help`" in err
    assert err.count("\n") == 1


def test_global_flags_may_stand_before_and_after_the_command(site: Site) -> None:
    """`slurm-azure --config F version` and `slurm-azure version --config F` are the same; the last one counts."""
    site.configure(nodes="n-[1-3]")
    other = site.folder / "other.yaml"
    other.write_text("cluster: [\n")
    assert site.run("render", "n-1").code == 0
    assert site.run("render", "n-1", "--config", str(other)).code == 78
    assert main(["--config", str(other), "render", "n-1", "--config", str(site.config)]) == 0


def test_configuration_from_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM_AZURE_CONFIG names the file unless --config does; an empty value counts as none."""
    monkeypatch.setenv("SLURM_AZURE_CONFIG", str(site.config))
    assert main(["render", "az-1"]) == 0
    assert make_parser([]).parse_args(["version"]).config == str(site.config)
    monkeypatch.setenv("SLURM_AZURE_CONFIG", "")
    assert make_parser([]).parse_args(["version"]).config == "/etc/slurm-azure/slurm-azure.yaml"


def test_a_value_that_is_called_like_a_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or node named `status` does not confuse which command is meant."""
    monkeypatch.chdir(site.folder)
    Path("status").write_bytes(site.config.read_bytes())
    assert main(["--config", "status", "render", "az-1"]) == 0
    assert main(["--config", "status", "render", "status"]) == 2


def test_a_command_loads_only_what_it_needs() -> None:
    """`why` is run when things are bad: it must not load Azure's SDK, Jinja, the simulator or other commands."""
    code = (
        "import sys; from slurm_azure.cli.main import main; main(['why', '--help']);"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'azure', 'jinja2', 'aiohttp', 'prometheus_client'}"
        " or m.startswith('slurm_azure.simulator') or m in {'slurm_azure.cli.status', 'slurm_azure.cli.check'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("flags", "heard"), [([], False), (["-v"], True)])
def test_the_sdk_does_not_speak_for_us(site: Site, flags: list[str], heard: bool) -> None:
    """Its warnings come in many lines, and say what our one error says; with -v they are shown."""
    site.run("version", *flags)
    assert logging.getLogger("azure.identity").isEnabledFor(logging.WARNING) is heard


def test_a_reader_that_leaves_is_no_error(site: Site) -> None:
    """`slurm-azure render NODE | head -0`: no word on stderr, exit as for SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    words = ["--config", str(site.config), "render", "az-1"]
    program = "import sys; from slurm_azure.cli.main import main; sys.exit(main(sys.argv[1:]))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *words], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_installed_as_a_command(site: Site) -> None:
    """The entry point `slurm-azure` is this main, and its exit code reaches the shell."""
    program = Path(sys.executable).with_name("slurm-azure")
    if not program.exists():
        pytest.skip("the package is not installed beside this Python")
    done = subprocess.run(
        [program, "--config", site.config, "render", "nope"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "slurm-azure: 'nope' is in no pool of the configuration\n"
