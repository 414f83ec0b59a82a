"""Who we are to Azure: files kept private, failures understood, one token for all threads, no secret anywhere."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from slurm_azure.azure.credential import SharedCredential, make_credential, read_private
from slurm_azure.config import Azure
from slurm_azure.errors import CloudUnreachable, ConfigError, ConfigForbidden, CredentialRefused, SlurmAzureError
from tests.support.configs import SUBNET, SUBSCRIPTION
from tests.support.scripted_arm import TENANT, Answer, ScriptedArm, scripted_arm

SECRET = "CANARY~secret.of-the.principal"
CLIENT = "12121212-3434-5656-7878-909090909090"
SCOPE = "https://127.0.0.1/.default"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedArm]:
    with scripted_arm(tmp_path_factory.mktemp("login")) as arm:
        yield arm


@pytest.fixture
def login(server: ScriptedArm) -> ScriptedArm:
    """The authority, which says yes unless a test sets `login`."""
    server.logins.clear()
    server.login = lambda asked: Answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "CANARY-TOKEN"})
    return server


def section(server: ScriptedArm | None = None, **credential: Any) -> Azure:
    """Section `azure` with this credential, and the scripted authority if one is given."""
    where = {"subscription": SUBSCRIPTION, "resource_group": "rg", "location": "westeurope", "subnet": SUBNET}
    away = {} if server is None else {"authority": server.endpoint, "ca_file": server.ca_file, "endpoint": server.endpoint}
    return Azure.model_validate({**where, **away, "credential": credential})


def a_secret(folder: Path, content: str = SECRET + "\n", mode: int = 0o600) -> Path:
    """A secret file."""
    file = folder / "secret"
    file.write_text(content)
    file.chmod(mode)
    return file


def by_secret(server: ScriptedArm, folder: Path) -> Azure:
    """A service principal with a secret, at the scripted authority."""
    return section(server, kind="secret", tenant=TENANT, client=CLIENT, secret_file=str(a_secret(folder)))


class TestFiles:
    """Files that hold secrets."""

    @pytest.mark.parametrize("mode", [0o400, 0o600])
    def test_private_file_is_read(self, tmp_path: Path, mode: int) -> None:
        """A file that only its owner may read is read."""
        assert read_private(str(a_secret(tmp_path, "x", mode))) == b"x"

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o777])
    def test_open_file_is_refused(self, tmp_path: Path, mode: int) -> None:
        """A file that others may read or change is refused by name, with its mode and what to do."""
        file = a_secret(tmp_path, "x", mode)
        with pytest.raises(ConfigError) as caught:
            read_private(str(file))
        assert str(caught.value).startswith(f"{file}: has mode {mode:04o}")
        assert f"chmod 0600 {file}" in str(caught.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is named."""
        with pytest.raises(ConfigError, match="nowhere: cannot be read: No such file"):
            read_private(str(tmp_path / "nowhere"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
    def test_file_of_another_user(self, tmp_path: Path) -> None:
        """Who may not read it is told so: the configuration is well."""
        file = str(a_secret(tmp_path, "x", 0o600))
        os.seteuid(1)
        try:
            with pytest.raises(ConfigForbidden, match="cannot be read by this user"):
                read_private(file)
        finally:
            os.seteuid(0)

    def test_pipe_does_not_hang(self, tmp_path: Path) -> None:
        """Something that is no file is refused at once, and not waited for."""
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(ConfigError, match="is no file"):
            read_private(str(tmp_path / "pipe"))

    @pytest.mark.parametrize("content", ["", "\n", " \n\n", f"{SECRET}\nsecond\n"])
    def test_content_that_is_no_secret(self, tmp_path: Path, content: str) -> None:
        """An empty file, or one that holds more than the secret, is refused without being quoted."""
        file = a_secret(tmp_path, content)
        with pytest.raises(ConfigError, match="the secret alone") as caught:
            make_credential(section(kind="secret", tenant=TENANT, client=CLIENT, secret_file=str(file)))
        assert SECRET not in str(caught.value)

    def test_bad_certificate_is_not_quoted(self, tmp_path: Path) -> None:
        """A certificate file that is none is refused by name alone."""
        file = a_secret(tmp_path, f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
        with pytest.raises(ConfigError, match="no PEM file with a certificate") as caught:
            make_credential(section(kind="certificate", tenant=TENANT, client=CLIENT, certificate_file=str(file)))
        assert SECRET not in str(caught.value)


class TestKinds:
    """Each kind of credential."""

    def test_secret_gets_a_token(self, login: ScriptedArm, tmp_path: Path) -> None:
        """A secret is sent to the authority of the configuration, over TLS by its CA, without asking Microsoft first."""
        credential = make_credential(by_secret(login, tmp_path))
        assert credential.get_token_info(SCOPE).token == "CANARY-TOKEN"
        assert credential.get_token(SCOPE).token == "CANARY-TOKEN"
        (asked,) = login.logins  # the second came from the cache
        assert asked.path == f"/{TENANT}/oauth2/v2.0/token"

    def test_certificate_gets_a_token(self, login: ScriptedArm, tmp_path: Path) -> None:
        """A certificate signs an assertion; its key is not sent."""
        file = tmp_path / "principal.pem"
        file.write_bytes(a_certificate())
        file.chmod(0o400)
        azure = section(login, kind="certificate", tenant=TENANT, client=CLIENT, certificate_file=str(file))
        assert make_credential(azure).get_token_info(SCOPE).token == "CANARY-TOKEN"
        assert b"client_assertion=" in login.logins[0].body

    def test_workload_identity_gets_a_token(self, login: ScriptedArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The federated token's file is named by the environment."""
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(a_secret(tmp_path, "federated")))
        azure = section(login, kind="workload-identity", tenant=TENANT, client=CLIENT)
        credential = make_credential(azure)
        assert isinstance(credential._source, WorkloadIdentityCredential)
        assert credential.get_token_info(SCOPE).token == "CANARY-TOKEN"

    def test_workload_identity_without_its_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What azure-identity misses is told as a mistake in the configuration."""
        for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ConfigError, match="workload-identity"):
            make_credential(section(kind="workload-identity"))

    def test_managed_identity_and_default(self) -> None:
        """The other two kinds are azure-identity's own."""
        assert isinstance(make_credential(section(kind="managed-identity", client=CLIENT))._source, ManagedIdentityCredential)
        assert isinstance(make_credential(section(kind="default"))._source, DefaultAzureCredential)


class TestFailures:
    """No token to be had."""

    def test_wrong_secret(self, login: ScriptedArm, tmp_path: Path) -> None:
        """The authority's no is CredentialRefused, with its words and where to look, and without the secret."""
        words = "AADSTS7000215: Invalid client secret provided."
        login.login = lambda asked: Answer(401, {"error": "invalid_client", "error_description": words})
        with pytest.raises(CredentialRefused, match=r"AADSTS7000215.*azure\.credential") as caught:
            make_credential(by_secret(login, tmp_path)).get_token_info(SCOPE)
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        "answer", [Answer(500, {"error": "server_error"}), Answer(503, b"<html>"), Answer(200, b"<html>"), Answer(cut=True)]
    )
    def test_authority_in_trouble(self, login: ScriptedArm, tmp_path: Path, answer: Answer) -> None:
        """An authority that answers nonsense, or nothing, is out of reach: nobody has to look at the credential."""
        login.login = lambda asked: answer
        with pytest.raises(CloudUnreachable):
            make_credential(by_secret(login, tmp_path)).get_token_info(SCOPE)

    def test_authority_not_there(self, tmp_path: Path) -> None:
        """An authority that is not there is unreachable, not a refusal."""
        with scripted_arm(tmp_path) as gone:
            azure = by_secret(gone, tmp_path)
        with pytest.raises(CloudUnreachable, match="identity endpoint does not answer"):
            make_credential(azure).get_token_info(SCOPE)

    def test_nothing_is_logged(self, login: ScriptedArm, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """With the root logger at DEBUG neither secret nor token gets into a record, in success or failure."""
        caplog.set_level(logging.DEBUG)
        credential = make_credential(by_secret(login, tmp_path))
        credential.get_token_info(SCOPE)
        login.login = lambda asked: Answer(401, {"error": "invalid_client", "error_description": "no"})
        with pytest.raises(CredentialRefused):
            credential.get_token_info("https://other/.default")
        assert "CANARY" not in caplog.text


class Source:
    """A source of numbered tokens that can fail or be slow."""

    made = 0

    def __init__(self) -> None:
        Source.made += 1
        self.number = Source.made
        self.asked = 0
        self.closed = False
        self.fails: Exception | None = None

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return AccessTokenInfo(f"token-{self.number}", 2**33)

    def close(self) -> None:
        self.closed = True


class Shared:
    """A SharedCredential with a clock in the test's hands."""

    def __init__(self) -> None:
        Source.made = 0
        self.now = 0.0
        self.credential = SharedCredential(Source, lambda: self.now)

    @property
    def source(self) -> Source:
        assert isinstance(self.credential._source, Source)
        return self.credential._source


class TestShared:
    """One credential for all threads."""

    def test_failure_is_shared_for_a_moment(self) -> None:
        """Threads that ask within seconds of a failure get it told, and do not each wait for the endpoint's silence."""
        held = Shared()
        held.source.fails = ServiceRequestError("no route")
        for _ in range(16):
            with pytest.raises(CloudUnreachable):
                held.credential.get_token_info(SCOPE)
        assert held.source.asked == 1
        held.now, held.source.fails = 6.0, None
        assert held.credential.get_token_info(SCOPE).token == "token-1"

    def test_wrapped_transport_fault_is_unreachable(self) -> None:
        """azure-identity wraps what happened: a transport fault inside is no refusal."""
        held = Shared()
        try:
            raise ClientAuthenticationError("Authentication failed: no route") from ServiceRequestError("no route")
        except ClientAuthenticationError as error:
            held.source.fails = error
        with pytest.raises(CloudUnreachable):
            held.credential.get_token_info(SCOPE)

    def test_renewed_once_for_all(self) -> None:
        """Two threads whose token was refused: one makes the credential anew, the other takes the new one."""
        held = Shared()
        old, source = held.credential.get_token_info(SCOPE).token, held.source
        assert held.credential.renew(old)
        assert source.closed
        new = held.credential.get_token_info(SCOPE).token
        assert new != old
        assert held.credential.renew(old)  # the other thread, later
        assert held.credential.get_token_info(SCOPE).token == new
        assert Source.made == 2

    def test_not_renewed_again_within_a_minute(self) -> None:
        """A new token that is refused as well ends it for a minute: no storm of logins."""
        held = Shared()
        assert held.credential.renew(held.credential.get_token_info(SCOPE).token)
        refused = held.credential.get_token_info(SCOPE).token
        assert not held.credential.renew(refused)
        held.now = 61.0
        assert held.credential.renew(refused)

    def test_renewal_reads_the_file_again(self, login: ScriptedArm, tmp_path: Path) -> None:
        """A secret that was rotated is picked up when the old one's token is refused; a file gone bad keeps what works."""
        azure = by_secret(login, tmp_path)
        credential = make_credential(azure)
        a_secret(tmp_path, "rotated")
        assert credential.renew(credential.get_token_info(SCOPE).token)
        credential.get_token_info(SCOPE)
        assert b"rotated" in login.logins[-1].body
        a_secret(tmp_path, "rotated", 0o644)
        credential._renewed_at = float("-inf")
        assert not credential.renew("CANARY-TOKEN")

    def test_many_threads(self) -> None:
        """Many threads that ask at once all get the token."""
        held = Shared()
        found: list[str | SlurmAzureError] = []
        threads = [
            threading.Thread(target=lambda: found.append(held.credential.get_token_info(SCOPE).token)) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["token-1"] * 16


def a_certificate() -> bytes:
    """A PEM with a certificate and its key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "principal")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed.public_bytes(serialization.Encoding.PEM) + private


@pytest.mark.parametrize(
    ("wanted", "level"), [(logging.CRITICAL, logging.CRITICAL), (logging.DEBUG, logging.WARNING)], ids=["quiet", "verbose"]
)
def test_a_credential_lowers_the_voice_of_the_sdk_and_never_raises_it(
    monkeypatch: pytest.MonkeyPatch, wanted: int, level: int
) -> None:
    """A command that wants no words of the SDK keeps its will when a credential is made; accounts are told to nobody."""
    monkeypatch.setattr(logging.getLogger("azure"), "level", wanted)
    monkeypatch.setattr(logging.getLogger("azure.identity"), "level", logging.NOTSET)
    make_credential(section(kind="managed-identity", client=CLIENT))
    assert logging.getLogger("azure.identity").getEffectiveLevel() == level
