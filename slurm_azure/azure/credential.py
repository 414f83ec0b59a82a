"""Who we are to Azure: azure-identity's credentials, made from the configuration, for use by many threads.

Secret and certificate files must be readable by their owner alone. What is in them goes to azure-identity and nowhere else:
not into errors, logs or the process list.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable
from json import JSONDecodeError
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.identity import (
    AzureAuthorityHosts,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from msal.exceptions import MsalServiceError  # type: ignore[import-untyped]  # comes without types

from slurm_azure.azure.failures import one_line
from slurm_azure.config import Azure
from slurm_azure.errors import CloudUnreachable, ConfigError, ConfigForbidden, CredentialRefused

_MICROSOFT_AUTHORITIES = frozenset(
    {
        AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        AzureAuthorityHosts.AZURE_CHINA,
        AzureAuthorityHosts.AZURE_GOVERNMENT,
    }
)
_PATIENCE: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 15,
    "retry_total": 1,
}  # seconds; the daemon asks again by itself
_REST_AFTER_FAILURE = 5.0  # seconds: threads that waited for a token meanwhile share the failure
_REST_AFTER_RENEWAL = 60.0  # seconds: a token refused again so soon will not be accepted the third time


class TokenSource(Protocol):
    """What azure-identity's credentials have in common, as far as it is used."""

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token for `scopes`, from the credential's cache where it has one."""
        ...

    def close(self) -> None:
        """Close its sockets."""
        ...


class SharedCredential:
    """One credential for all threads: one request for a token at a time, whoever waited gets its result too.

    Raises CredentialRefused (the authority knows us not, or there is no token to be had) and CloudUnreachable (it did not
    answer), instead of azure-identity's errors. `make` builds the credential anew, files read again, caches empty.
    """

    def __init__(self, make: Callable[[], TokenSource], clock: Callable[[], float] = monotonic) -> None:
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._source = make()
        self._token = ""
        self._failure: CredentialRefused | CloudUnreachable | None = None
        self._failed_at = self._renewed_at = float("-inf")

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token for `scopes` (azure-core's SupportsTokenInfo)."""
        asked_at = self._clock()
        with self._lock:
            self._share_failure(asked_at)
            try:
                info = self._source.get_token_info(*scopes, options=options)
            except (AzureError, ValueError) as error:  # ValueError: MSAL, of an authority that answers nonsense
                self._failure, self._failed_at = _explain(error), self._clock()
                raise self._failure from None
            self._failure, self._token = None, info.token
            return info

    def _share_failure(self, asked_at: float) -> None:
        """Raise what another thread has just been told."""
        fresh = asked_at <= self._failed_at or self._clock() - self._failed_at < _REST_AFTER_FAILURE
        if self._failure is not None and fresh:
            raise type(self._failure)(str(self._failure))

    def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, enable_cae: bool = False, **_: Any
    ) -> AccessToken:
        """The same in azure-core's older form (TokenCredential)."""
        options: TokenRequestOptions = {"enable_cae": enable_cae}
        if claims is not None:
            options["claims"] = claims
        if tenant_id is not None:
            options["tenant_id"] = tenant_id
        info = self.get_token_info(*scopes, options=options)
        return AccessToken(info.token, info.expires_on)

    def renew(self, refused: str) -> bool:
        """Azure does not accept the token `refused`: forget it. True = it is worth asking for another one.

        azure-identity keeps tokens until shortly before they end and has no way to drop one, so the credential is made
        anew; for all threads once, and not again within a minute.
        """
        with self._lock:
            if self._token != refused:
                return True  # another thread has been here
            if self._clock() - self._renewed_at < _REST_AFTER_RENEWAL:
                return False
            try:
                fresh = self._make()
            except ConfigError:
                return False  # a file has gone or been opened up since the start: keep what we have
            self._source.close()
            self._source = fresh
            self._token, self._renewed_at = "", self._clock()
            return True

    def close(self) -> None:
        """Close its sockets."""
        with self._lock:
            self._source.close()


def make_credential(azure: Azure, clock: Callable[[], float] = monotonic) -> SharedCredential:
    """The credential of section `azure`. Raises ConfigError (a file that is missing, empty or open to others, or a setting
    that azure-identity refuses); no request is sent yet."""
    for name in ("azure.identity", "azure.core", "msal"):
        logger = logging.getLogger(name)  # below a warning they tell requests and accounts
        logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))
    return SharedCredential(lambda: _make(azure), clock)


def _make(azure: Azure) -> TokenSource:
    try:
        return _MAKERS[azure.credential.kind](azure)
    except ValueError as error:
        raise ConfigError("azure.credential", [one_line(f"kind {azure.credential.kind}: {error}")]) from None


def _default(azure: Azure) -> TokenSource:
    """azure-identity's chain, without the parts that are for a person at a desk."""
    who = azure.credential
    client = {} if who.client is None else {"managed_identity_client_id": who.client, "workload_identity_client_id": who.client}
    tenant = {} if who.tenant is None else {"workload_identity_tenant_id": who.tenant}
    return DefaultAzureCredential(
        exclude_visual_studio_code_credential=True,
        exclude_shared_token_cache_credential=True,
        exclude_developer_cli_credential=True,
        exclude_powershell_credential=True,
        exclude_interactive_browser_credential=True,
        **_settings(azure),
        **client,
        **tenant,
    )


def _managed_identity(azure: Azure) -> TokenSource:
    return ManagedIdentityCredential(client_id=azure.credential.client, **_PATIENCE)


def _workload_identity(azure: Azure) -> TokenSource:
    return WorkloadIdentityCredential(tenant_id=azure.credential.tenant, client_id=azure.credential.client, **_settings(azure))


def _certificate(azure: Azure) -> TokenSource:
    who = azure.credential
    file = str(who.certificate_file)
    content = read_private(file)
    try:
        return CertificateCredential(str(who.tenant), str(who.client), certificate_data=content, **_settings(azure))
    except ValueError:
        # azure-identity's own words may quote what it could not read.
        raise ConfigError(file, ["no PEM file with a certificate and its private key (without a password)"]) from None


def _secret(azure: Azure) -> TokenSource:
    who = azure.credential
    file = str(who.secret_file)
    try:
        secret = read_private(file).decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(file, ["is not text; it must hold the secret alone"]) from None
    if not secret or len(secret.splitlines()) != 1:
        raise ConfigError(file, ["must hold the secret alone, on one line"])
    return ClientSecretCredential(str(who.tenant), str(who.client), secret, **_settings(azure))


_MAKERS: dict[str, Callable[[Azure], TokenSource]] = {
    "default": _default,
    "managed-identity": _managed_identity,
    "workload-identity": _workload_identity,
    "certificate": _certificate,
    "secret": _secret,
}


def _settings(azure: Azure) -> dict[str, Any]:
    """What all credentials that talk to the authority are given."""
    settings: dict[str, Any] = {"authority": azure.authority, **_PATIENCE}
    if urlsplit(azure.authority).netloc.lower() not in _MICROSOFT_AUTHORITIES:
        settings["disable_instance_discovery"] = True  # else Microsoft is asked about the authority, and says no
    if azure.ca_file is not None:
        settings["connection_verify"] = azure.ca_file
    return settings


def read_private(file: str) -> bytes:
    """The content of a file that nobody but its owner may read. Raises ConfigError, naming the file and its mode."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise ConfigForbidden(
                file, ["cannot be read by this user: run this as SlurmUser or root, or give SlurmUser the file"]
            ) from None
        raise ConfigError(file, [f"cannot be read: {error.strerror}"]) from None
    with open(descriptor, "rb") as opened:
        state = os.fstat(descriptor)  # of what was opened, not of what the name means by now
        if not stat.S_ISREG(state.st_mode):
            raise ConfigError(file, ["is no file"])
        if state.st_mode & 0o077:
            mode = stat.S_IMODE(state.st_mode)
            raise ConfigError(file, [f"has mode {mode:04o}: others could read or change it; chmod 0600 {file}"])
        return opened.read(1 << 20)


def _explain(error: Exception) -> CredentialRefused | CloudUnreachable:
    """azure-identity's failure as ours: no answer, or a no."""
    words = one_line(str(error) or type(error).__name__)
    cause: BaseException | None = error
    for _ in range(8):  # azure-identity wraps what happened, often twice
        if isinstance(cause, ServiceRequestError | ServiceResponseError):
            return CloudUnreachable(f"no token: the identity endpoint does not answer: {words}")
        # A no of the authority is an answer in JSON, which MSAL hands on; these two are a 5xx, and what is no JSON.
        if isinstance(cause, MsalServiceError | JSONDecodeError):
            return CloudUnreachable(f"no token: the identity endpoint is in trouble: {words}")
        if cause is None:
            break
        cause = cause.__cause__ or cause.__context__
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if not isinstance(error, ClientAuthenticationError) or status >= 500 or status == 429:
        return CloudUnreachable(f"no token: {words}")
    return CredentialRefused(f"no token: {words}; see azure.credential")
