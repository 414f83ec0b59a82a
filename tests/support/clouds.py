"""The configuration of a site whose Azure is the simulated one."""

from __future__ import annotations

from typing import Any

from slurm_azure.config import Config
from tests.support.configs import a_document
from tests.support.simulated_azure import SimulatedAzure


def config_for(azure: SimulatedAzure, credential: dict[str, Any] | None = None, **section: Any) -> Config:
    """A small configuration that reaches `azure` with its service principal; `section` goes into section azure."""
    principal = {"kind": "secret", "tenant": azure.tenant, "client": azure.client_id, "secret_file": str(azure.secret_file)}
    where = {
        "subscription": azure.subscription,
        "resource_group": azure.resource_group,
        "location": azure.location,
        "subnet": azure.subnet_id,
        "node_identity": azure.identity_id,
        "endpoint": azure.endpoint,
        "authority": azure.authority,
        "ca_file": azure.ca_file,
        "credential": credential or principal,
    }
    return Config.model_validate(a_document(azure=where | section))
