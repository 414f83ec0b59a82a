"""The credentials of unmodified azure-identity, synchronous and asynchronous, each used for a call of Resource Manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import azure.identity
import azure.identity.aio
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from requests.adapters import HTTPAdapter

from tests.contracts.drivers import KINDS, compute, outcome
from tests.contracts.walks import made
from tests.support.simulated_azure import CLIENT, NODE_CLIENT, SECRET, SimulatedAzure

Make = Callable[[SimulatedAzure, str], AbstractAsyncContextManager[Any]]


def package(kind: str) -> Any:
    """azure-identity of that kind."""
    return azure.identity if kind == "sync" else azure.identity.aio


def settings(simulated: SimulatedAzure, kind: str) -> dict[str, Any]:
    """What every credential has to be told to find the simulated authority."""
    transport: Any = RequestsTransport if kind == "sync" else AioHttpTransport
    return {
        "authority": simulated.authority,
        "disable_instance_discovery": True,
        "transport": transport(connection_verify=simulated.ca_file),
    }


@asynccontextmanager
async def closing(key: Any) -> AsyncIterator[Any]:
    """Close a credential of either kind in the end."""
    try:
        yield key
    finally:
        await outcome(key.close())


def by_secret(simulated: SimulatedAzure, kind: str) -> AbstractAsyncContextManager[Any]:
    """The service principal by its secret."""
    known = (simulated.tenant, CLIENT, SECRET)
    return closing(package(kind).ClientSecretCredential(*known, **settings(simulated, kind)))


def by_certificate(simulated: SimulatedAzure, kind: str) -> AbstractAsyncContextManager[Any]:
    """The service principal by its certificate."""
    file = str(simulated.certificate_file)
    known = (simulated.tenant, simulated.client_id, file)
    return closing(package(kind).CertificateCredential(*known, **settings(simulated, kind)))


class _FromVm(HTTPAdapter):
    """Calls from a VM's address."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Bind every connection to the address."""
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


@asynccontextmanager
async def by_identity_of_vm(address: str, kind: str) -> AsyncIterator[Any]:
    """The managed identity of the VM that has `address`."""
    if kind == "sync":
        with requests.Session() as session:
            session.mount("http://", _FromVm(address))
            async with closing(
                azure.identity.ManagedIdentityCredential(
                    client_id=NODE_CLIENT, transport=RequestsTransport(session=session, session_owner=False)
                )
            ) as key:
                yield key
    else:
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        async with aiohttp.ClientSession(connector=connector) as calls:
            transport = AioHttpTransport(session=calls, session_owner=False)
            key = azure.identity.aio.ManagedIdentityCredential(client_id=NODE_CLIENT, transport=transport)
            async with closing(key):
                yield key


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [by_secret, by_certificate])
def test_service_principal(azure: SimulatedAzure, kind: str, make: Make) -> None:
    """Secret and certificate get a token that Resource Manager takes."""

    async def walk() -> None:
        async with make(azure, kind) as key, compute(azure, kind, key) as client:
            assert await outcome(client.virtual_machines.list(azure.resource_group)) == []

    asyncio.run(walk())


@pytest.mark.parametrize("kind", KINDS)
def test_managed_identity(azure: SimulatedAzure, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM's managed identity gets a token; Resource Manager knows who it is, and that it has no role."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.imds)
    identity = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}

    async def walk() -> None:
        async with compute(azure, kind) as client:
            await made(client, azure, top={"identity": identity})
        address = azure.vms()[0]["ip"]
        async with by_identity_of_vm(address, kind) as key, compute(azure, kind, key) as client:
            with pytest.raises(HttpResponseError) as refusal:
                await outcome(client.virtual_machines.list(azure.resource_group))
        assert (refusal.value.status_code, refusal.value.error.code) == (403, "AuthorizationFailed")  # type: ignore[union-attr]
        assert NODE_CLIENT in str(refusal.value)

    asyncio.run(walk())


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_secret(azure: SimulatedAzure, kind: str) -> None:
    """A wrong secret is the SDK's ClientAuthenticationError, with Entra's number for it."""

    async def walk() -> None:
        known = (azure.tenant, azure.client_id, "wrong")
        async with (
            closing(package(kind).ClientSecretCredential(*known, **settings(azure, kind))) as key,
            compute(azure, kind, key) as client,
        ):
            with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
                await outcome(client.virtual_machines.list(azure.resource_group))

    asyncio.run(walk())
