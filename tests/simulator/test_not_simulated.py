"""Operations of Compute that exist on Azure and not here."""

from __future__ import annotations

import pytest

from slurm_azure.simulator.arm import not_simulated
from slurm_azure.simulator.routes import Route
from tests.simulator.raw import arm, ask
from tests.support.simulated_azure import SimulatedAzure

PARAMETERS = {
    "vmName": "vm-1",
    "vmExtensionName": "x",
    "runCommandName": "x",
    "location": "westeurope",
    "commandId": "x",
    "vmScaleSetName": "x",
    "vmssExtensionName": "x",
    "instanceId": "0",
    "availabilitySetName": "x",
    "diskName": "x",
    "imageName": "x",
    "edgeZone": "x",
    "publisherName": "x",
    "offer": "x",
    "skus": "x",
    "version": "1.0.0",
}
ROUTES = not_simulated.routes()


@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.operation}" for route in ROUTES])
def test_each_is_refused_plainly(azure: SimulatedAzure, route: Route) -> None:
    """501 NotImplemented that names the operation, in Azure's shape; but first a token and an api-version."""
    known = PARAMETERS | {"subscriptionId": azure.subscription, "resourceGroupName": azure.resource_group}
    path = route.template.format(**known)
    refused = arm(azure, route.method, path, {} if route.method != "GET" else None)
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert route.operation in refused.body["error"]["message"]
    assert ask(azure.endpoint, route.method, path, ca_file=azure.ca_file).status == 401
