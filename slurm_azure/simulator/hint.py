"""What a person wants to know when the simulator is ready: where it is, and how a program gets there."""

from __future__ import annotations

from pathlib import Path

from slurm_azure.simulator.estate import DEFAULT

_HEAD = """\
A simulated Azure is ready.
  Resource Manager, login, key vaults  {endpoint}
  certificate authority                {ca_file}
  tenant                               {tenant}
"""
_CONTROL = "  control (no part of Azure)           {control}\n"
_BUILT_IN = """\
  subscription, resource group         {subscription}, {group}
  service principal, its secret        {client}, in {secret}
Clients that read the environment (azure-identity's EnvironmentCredential, requests):
  export AZURE_AUTHORITY_HOST={endpoint} AZURE_TENANT_ID={tenant}
  export AZURE_CLIENT_ID={client} AZURE_CLIENT_SECRET="$(cat '{secret}')"
  export AZURE_SUBSCRIPTION_ID={subscription} REQUESTS_CA_BUNDLE='{ca_file}'
"""
_TAIL = """\
SDK clients take base_url="{endpoint}" and credential_scopes=["{endpoint}/.default"];
credentials take disable_instance_discovery=True. Ctrl-C ends it.
"""


def hint(endpoint: str, ca_file: Path, tenant: str, control: str | None, built_in: bool) -> str:
    """Some lines for stderr; with the `built_in` estate they name its subscription and its service principal."""
    subscription, principal = DEFAULT["subscriptions"][0], DEFAULT["service_principals"][0]
    text = _HEAD + (_CONTROL if control else "") + (_BUILT_IN if built_in else "") + _TAIL
    return text.format(
        endpoint=endpoint,
        ca_file=ca_file.resolve(),
        tenant=tenant,
        control=control,
        subscription=subscription["id"],
        group=subscription["resource_groups"][0],
        client=principal["client_id"],
        secret=(ca_file.parent / principal["secret_file"]).resolve(),
    )
