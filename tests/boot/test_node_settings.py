"""What the join script is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm_azure.boot.node_settings import controller, node_settings
from slurm_azure.errors import RenderError
from tests.boot.test_user_data import the_pool
from tests.support.configs import a_config, a_document


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("head", "head", 6817),
        ("head.site.example:7000", "head.site.example", 7000),
        ("10.0.0.4", "10.0.0.4", 6817),
        ("[fd00::4]:7000", "fd00::4", 7000),
        ("[fd00::4]", "fd00::4", 6817),
        ("fd00::4", "fd00::4", 6817),
    ],
)
def test_controller(text: str, host: str, port: int) -> None:
    """Each way to write a controller gives host and port, the default port where there is none."""
    assert controller(text, 6817) == {"host": host, "port": port}


@pytest.mark.parametrize("text", ["", "head:", "a b", "head\nSlurmUser=root", "head(10.0.0.4)", "head:port", "-x"])
def test_bad_controller(text: str) -> None:
    """What is no host could become a line of slurm.conf or an option of slurmd: it is refused by name."""
    with pytest.raises(RenderError, match=r"slurm\.controllers"):
        controller(text, 6817)


@pytest.mark.parametrize(("deadlines", "seconds"), [({}, 200), ({"boot": 100.0}, 80)])
def test_gives_up_before_the_daemon_does(deadlines: dict[str, float], seconds: int) -> None:
    """A node ends its attempts before its deadline, half of the ResumeTimeout unless set, so that its cause is heard."""
    config = a_config(partitions={"cloud": {"pools": ["hb"], "resume_timeout": 500.0}}, pools=the_pool(deadlines=deadlines))
    assert node_settings(config, "hb")["give_up_after"] == seconds


def test_spot() -> None:
    """What jobs get on an eviction is the pool's own."""
    pools = the_pool(priority="spot", spot={"signal": "USR2", "grace": 5.0})
    assert node_settings(a_config(pools=pools), "hb")["spot"] == {"signal": "USR2", "grace": 5.0}
    assert node_settings(a_config(), "hb")["spot"] == {"signal": "none", "grace": 10.0}


def test_key_in_the_image() -> None:
    """With the key in the image neither vault nor certificates are told."""
    azure = {**a_document()["azure"], "ca_file": "/does/not/matter"}
    settings = node_settings(a_config(azure=azure), "hb")
    assert (settings["munge"], settings["authorities"]) == ({"source": "image"}, None)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_bad_ca_file(tmp_path: Path, content: bytes | None) -> None:
    """A CA file that is missing or holds no certificate is named."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    azure = {**a_document()["azure"], "ca_file": str(file)}
    munge = {"source": "key-vault", "vault": "https://v.vault.azure.net"}
    with pytest.raises(RenderError, match=r"azure\.ca_file"):
        node_settings(a_config(azure=azure, munge=munge), "hb")
