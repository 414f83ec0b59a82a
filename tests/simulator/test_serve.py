"""The simulator as a process: the line it prints, how it ends, what it leaves."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.authority import tls_context
from slurm_azure.simulator.tokens import signing_key

COMMAND = [sys.executable, "-m", "slurm_azure.simulator", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_when_told(tmp_path: Path, number: signal.Signals) -> None:
    """One JSON line with endpoints and CA; the folder is private; SIGTERM and SIGINT end it with exit code 0."""
    folder = tmp_path / "azure"
    process = subprocess.Popen([*COMMAND, "--folder", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        context = ssl.create_default_context(cafile=ready["ca_file"])
        url = f"{ready['authority']}/{ready['tenant']}/v2.0/.well-known/openid-configuration"
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            assert answer.status == 200
        assert folder.stat().st_mode & 0o777 == 0o700
        private = {file.name for file in folder.iterdir() if file.stat().st_mode & 0o077 == 0}
        assert private == {"ca-key.pem", "server.pem", "token-key.pem", "daemon.secret", "daemon.pem", "munge.key"}
        process.send_signal(number)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_authority_outlives_a_restart(tmp_path: Path) -> None:
    """Clients that trust the CA trust it after a restart too."""
    found = []
    for _ in range(2):
        process = subprocess.Popen([*COMMAND, "--folder", str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        found.append(Path(ready["ca_file"]).read_bytes())
        process.terminate()
        process.communicate(timeout=10)
    assert found[0] == found[1]


def test_the_certificate_has_azures_own_names_and_those_asked_for(tmp_path: Path) -> None:
    """TLS to management.azure.com, a vault, the login host and an extra name all verify with nothing but the CA."""
    names = ["management.azure.com", "login.microsoftonline.com", "any.vault.azure.net", "azure.example", "localhost"]
    command = [*COMMAND, "--folder", str(tmp_path), "--names", "azure.example"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        port = int(ready["endpoint"].rsplit(":", 1)[1])
        context = ssl.create_default_context(cafile=ready["ca_file"])
        for name in names:
            with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain, server_hostname=name):
                pass
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--listen", "nonsense"], 2, "is not ADDR:PORT"),
        (["--listen", "192.0.2.1:8443"], 2, "cannot listen on 192.0.2.1:8443"),
        (["--estate", "/absent.json"], 78, "/absent.json"),
        (["--machines", "namespace"], 2, "--image"),
        (["--record", "/absent/file"], 74, "/absent/file: No such file"),
        (["--folder", "/proc/absent"], 74, "/proc/absent: No such file"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    """No traceback, and the words say what to change."""
    command = [sys.executable, "-m", "slurm_azure.simulator", "--listen", "127.0.0.1:0", "--folder", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_person_is_told_how_to_get_there(tmp_path: Path) -> None:
    """On stderr: endpoint, CA and an environment that a shell takes; the secret itself is not shown."""
    process = subprocess.Popen([*COMMAND, "--folder", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    process.terminate()
    _, told = process.communicate(timeout=10)
    secret = (tmp_path / "daemon.secret").read_text()
    assert ready["endpoint"] in told
    assert ready["control"] in told
    assert secret not in told
    exports = "\n".join(line.strip() for line in told.splitlines() if line.strip().startswith("export "))
    shell = f'{exports}\nprintf "%s\\n" "$AZURE_CLIENT_SECRET" "$REQUESTS_CA_BUNDLE" "$AZURE_TENANT_ID"'
    done = subprocess.run(["sh", "-euc", shell], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout.splitlines() == [secret.strip(), ready["ca_file"], ready["tenant"]]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("listen", ["[::1]:0", "[::]:0"])
def test_it_listens_on_ipv6(tmp_path: Path, listen: str) -> None:
    """The addresses that it tells are URLs, and the certificate is good for them."""
    command = [*COMMAND[:3], "--listen", listen, "--control", "[::1]:0", "--folder", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        context = ssl.create_default_context(cafile=ready["ca_file"])
        found = f"{ready['authority']}/metadata/endpoints?api-version=2022-09-01"
        with urllib.request.urlopen(found, timeout=10, context=context) as answer:
            assert json.load(answer)["resourceManager"] == f"{ready['endpoint']}/"
        with urllib.request.urlopen(f"{ready['control']}/health", timeout=10) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_two_may_start_in_one_new_folder(tmp_path: Path) -> None:
    """Whichever comes first makes the authority; both are trusted by whoever trusts what is in the folder."""
    started = [
        subprocess.Popen([*COMMAND, "--folder", str(tmp_path / "azure")], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            context = ssl.create_default_context(cafile=ready["ca_file"])
            url = f"{ready['authority']}/{ready['tenant']}/v2.0/.well-known/openid-configuration"
            with urllib.request.urlopen(url, timeout=10, context=context) as answer:
                assert answer.status == 200
    finally:
        for process in started:
            process.terminate()
            process.communicate(timeout=10)


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "token-key.pem"])
def test_a_damaged_file_is_told(tmp_path: Path, name: str) -> None:
    """A key that a full disk cut off is a line that says what to delete; nothing is made anew unasked."""
    tls_context(tmp_path, ())
    signing_key(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"{name}.* delete"):
        signing_key(tmp_path) if name == "token-key.pem" else tls_context(tmp_path, ())
    assert (tmp_path / name).read_bytes() == b""


def test_a_key_of_another_authority_is_told(tmp_path: Path) -> None:
    """Certificate and key belong together."""
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        tls_context(folder, ())
    (tmp_path / "b/ca.pem").replace(tmp_path / "a/ca.pem")
    with pytest.raises(ConfigError, match="no certificate authority"):
        tls_context(tmp_path / "a", ())
