"""The unmodified SDK, synchronous and asynchronous, behind one way of writing a test: `await driver(client.x.y(..))`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import azure.identity as identity_sync
import azure.identity.aio as identity_async
import azure.mgmt.compute as compute_sync
import azure.mgmt.compute.aio as compute_async
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

from tests.support.simulated_azure import CLIENT, SECRET, SimulatedAzure

KINDS = ("sync", "async")


async def outcome(call: Any) -> Any:
    """What a call of either SDK comes to in the end: pollers are waited for, lists of pages read to their end."""
    if inspect.isawaitable(call):
        call = await call
    if hasattr(call, "result") and hasattr(call, "status"):  # LROPoller, AsyncLROPoller
        result = call.result()
        return await result if inspect.isawaitable(result) else result
    if hasattr(call, "__aiter__"):
        return [item async for item in call]
    if hasattr(call, "by_page"):
        return list(call)
    return call


@asynccontextmanager
async def compute(azure: SimulatedAzure, kind: str, key: Any = None, **options: Any) -> AsyncIterator[Any]:
    """azure-mgmt-compute of one kind, with the service principal's secret unless `key` is a credential; `options` go to the
    client."""
    async with AsyncExitStack() as stack:
        known = key or await stack.enter_async_context(credential(azure, kind))
        options = {
            "base_url": azure.endpoint,
            "credential_scopes": [f"{azure.endpoint}/.default"],
            "polling_interval": 0,
            "retry_total": 0,
            **options,
        }
        client: Any
        if kind == "sync":
            transport = RequestsTransport(connection_verify=azure.ca_file)
            client = compute_sync.ComputeManagementClient(known, azure.subscription, transport=transport, **options)
            yield stack.enter_context(client)
        else:
            later = AioHttpTransport(connection_verify=azure.ca_file)
            client = compute_async.ComputeManagementClient(known, azure.subscription, transport=later, **options)
            yield await stack.enter_async_context(client)


@asynccontextmanager
async def credential(azure: SimulatedAzure, kind: str) -> AsyncIterator[Any]:
    """The service principal by its secret."""
    package = identity_sync if kind == "sync" else identity_async
    transport: Any = RequestsTransport if kind == "sync" else AioHttpTransport
    key = package.ClientSecretCredential(
        azure.tenant,
        CLIENT,
        SECRET,
        authority=azure.authority,
        disable_instance_discovery=True,
        transport=transport(connection_verify=azure.ca_file),
    )
    try:
        yield key
    finally:
        await outcome(key.close())
