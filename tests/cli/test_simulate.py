"""`slurm-azure simulate` and `version`."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from slurm_azure import __version__
from tests.support.sites import Site

PROGRAM = "import sys; from slurm_azure.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    """The first line tells where it is; Azure answers there; a signal ends it with 0 and without a traceback."""
    words = ["simulate", "--listen", "127.0.0.1:0", "--folder", str(tmp_path / "azure")]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-q", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            trust = ssl.create_default_context(cafile=where["ca_file"])
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{where['endpoint']}/subscriptions?api-version=2022-12-01", context=trust, timeout=10)
            refused.value.close()
            assert refused.value.code == 401
            process.send_signal(end)
            assert process.wait(timeout=15) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_wrong_options_are_one_line(site: Site) -> None:
    """The simulator's own complaints come as every other: one line, exit 2."""
    ran = site.run("simulate", "--listen", "nowhere")
    assert (ran.code, ran.err) == (2, "slurm-azure: 'nowhere' is not ADDR:PORT, such as 127.0.0.1:8443\n")


def test_without_the_extra(tmp_path: Path) -> None:
    """Where aiohttp is not installed: what is missing, how to get it, exit 69."""
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError(\"No module named 'aiohttp'\", name='aiohttp')\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "simulate", "--folder", str(tmp_path), "--listen", "127.0.0.1:0"],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 69
    assert done.stderr == (
        "slurm-azure: the simulator needs the library aiohttp, which is not installed; "
        "try: pip install 'slurm-azure[simulator]'\n"
    )


def test_versions(site: Site) -> None:
    """Ours, Python's, each library's, and Slurm's where it is found."""
    site.slurm()
    versions = json.loads(site.run("version", "--json").out)["versions"]
    assert versions["slurm-azure"] == __version__
    assert versions["python"] == "{}.{}.{}".format(*sys.version_info)
    assert versions["slurm"] == "22.05"
    assert all(versions.values())


def test_versions_without_slurm(site: Site) -> None:
    """No Slurm, or no configuration that tells where it is, is no error."""
    ran = site.run("version", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["versions"]["slurm"] is None
    assert "no Slurm found" in ran.err
    assert site.run("--config", "/nowhere", "-q", "version").code == 0
