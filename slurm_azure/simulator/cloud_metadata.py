"""What a client asks first of a cloud it does not know: where its services are. `GET /metadata/endpoints`, without a token.

Asked for by `az cloud register --endpoint-resource-manager` (2022-09-01) and Terraform's `metadata_host` (2022-09-01; before,
2019-05-01 and 2020-06-01). Shapes as azure-cli reads them (azure/cli/core/cloud.py): one cloud since 2022-09-01, before that
a list of clouds. 2015-01-01 is "Azure Stack Hub's" shape. Endpoints that are not simulated are left out.
"""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal

NAME = "SimulatedAzure"


class CloudMetadata:
    """Answers at /metadata/endpoints for the tenant, with the address that the caller used."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is another; raises Refusal without an api-version."""
        if call.path.rstrip("/").lower() != "/metadata/endpoints" or call.method != "GET":
            return None
        call.operation = "CloudMetadata_Get"
        if not call.api_version:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise Refusal(400, "MissingApiVersionParameter", message)
        if call.api_version < "2018-05-01":
            return Reply(200, _first(call.base))
        cloud = _cloud(call.base, self._tenant)
        return Reply(200, cloud if call.api_version >= "2022-09-01" else [cloud])


def _audiences(base: str) -> list[str]:
    return [f"{base}/", "https://management.core.windows.net/", "https://management.azure.com/"]


def _first(base: str) -> dict[str, Any]:
    return {
        "galleryEndpoint": base,
        "graphEndpoint": f"{base}/graph",
        "portalEndpoint": base,
        "authentication": {"loginEndpoint": f"{base}/", "audiences": _audiences(base)},
    }


def _cloud(base: str, tenant: str) -> dict[str, Any]:
    return {
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": _audiences(base),
            "tenant": tenant,
            "identityProvider": "AAD",
        },
        "graphAudience": f"{base}/graph/",
        "graph": f"{base}/graph/",
        "microsoftGraphResourceId": f"{base}/graph/",
        "name": NAME,
        "suffixes": {"keyVaultDns": "vault.azure.net", "storage": "core.windows.net"},
        "resourceManager": f"{base}/",
        "gallery": f"{base}/",
    }
