"""Microsoft.Resources: subscriptions, tenants, regions and resource providers (OpenAPI files subscriptions.json of 2022-12-01
and resources.json of 2024-07-01)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.estate import SubscriptionPlan
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.regions import ZONES, all_regions
from slurm_azure.simulator.world.world import World

_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_READ = "Microsoft.Resources/subscriptions/read"
_WORDS = """
    newzealand uae uk us euap northeast southeast northcentral southcentral westcentral north south east west central australia
    austria belgium brazil canada india chile asia france germany indonesia israel italy japan korea malaysia mexico norway
    poland qatar africa spain sweden switzerland europe
""".split()  # noqa: SIM905 - one name after the other
_SPELT = {"uae": "UAE", "uk": "UK", "us": "US", "euap": "EUAP", "newzealand": "New Zealand"}
_SPELT |= {f"{one}central": f"{one.title()} Central" for one in ("north", "south", "west")}
_WORD = re.compile("|".join((*_WORDS, r"\d+")))
API_VERSIONS = {
    "Microsoft.Authorization": ("2022-04-01",),
    "Microsoft.Compute": ("2026-04-01", "2024-07-01", "2024-03-02", "2021-07-01"),
    "Microsoft.ManagedIdentity": ("2023-01-31",),
    "Microsoft.Network": ("2024-01-01", "2023-11-01", "2023-09-01"),
    "Microsoft.Resources": ("2024-07-01", "2022-12-01", "2022-09-01", "2021-04-01"),
}
"""Of the documents that the simulator was written by; others are taken as well."""


class Subscriptions:
    """Answers the requests on what stands above resource groups. `routes` are all there are: they tell the resource types."""

    def __init__(self, world: World, authorization: Authorization, routes: Iterable[Route]) -> None:
        self._world = world
        self._authorization = authorization
        self._types = _resource_types(routes)

    def routes(self) -> list[Route]:
        """The operations. Lists show what the caller has a role in, and need no right of their own."""
        providers = _SUBSCRIPTION + "/providers"
        one = providers + "/{resourceProviderNamespace}"
        register = "{}/register/action".format  # of the provider itself
        return [
            Route("GET", "/tenants", "Tenants_List", "", self.tenants),
            Route("GET", "/subscriptions", "Subscriptions_List", "", self.list),
            Route("GET", _SUBSCRIPTION, "Subscriptions_Get", _READ, self.get),
            Route("GET", _SUBSCRIPTION + "/locations", "Subscriptions_ListLocations", _READ, self.locations),
            Route("GET", providers, "Providers_List", _READ, self.providers),
            Route("GET", one, "Providers_Get", _READ, self.provider),
            *(
                Route("POST", f"{providers}/{name}/register", "Providers_Register", register(name), self.register)
                for name in API_VERSIONS
            ),
        ]

    def tenants(self, call: Call) -> Reply:
        """The one tenant."""
        tenant = self._world.estate.tenant
        shown = {
            "id": f"/tenants/{tenant}",
            "tenantId": tenant,
            "tenantCategory": "Home",
            "displayName": "Simulated Azure",
            "domains": ["simulated.onmicrosoft.com"],
            "defaultDomain": "simulated.onmicrosoft.com",
            "tenantType": "AAD",
        }
        return Reply(200, {"value": [shown], "nextLink": ""})

    def list(self, call: Call) -> Reply:
        """The subscriptions in which the caller has any role."""
        principal = call.principal
        assert principal is not None
        seen = [
            self._subscription(plan)
            for plan in self._world.subscriptions.values()
            if self._authorization.sees(principal, f"/subscriptions/{plan.id}")
        ]
        return Reply(200, {"value": seen, "nextLink": ""})

    def get(self, call: Call) -> Reply:
        """A subscription."""
        return Reply(200, self._subscription(self._world.subscription(call.parameters["subscriptionId"])))

    def _subscription(self, plan: SubscriptionPlan) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{plan.id}",
            "subscriptionId": plan.id,
            "tenantId": self._world.estate.tenant,
            "displayName": plan.name,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
        }

    def locations(self, call: Call) -> Reply:
        """All regions of the public cloud; those that the estate uses have zones told."""
        plan = self._world.subscription(call.parameters["subscriptionId"])
        return Reply(200, {"value": [self._location(plan.id, name) for name in sorted(all_regions(self._world.locations))]})

    def _location(self, subscription: str, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": f"/subscriptions/{subscription}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": display_name(name),
            "regionalDisplayName": display_name(name),
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        }
        if name in self._world.locations:
            shown["availabilityZoneMappings"] = [{"logicalZone": zone, "physicalZone": f"{name}-az{zone}"} for zone in ZONES]
        return shown

    def providers(self, call: Call) -> Reply:
        """The resource providers, all registered."""
        plan = self._world.subscription(call.parameters["subscriptionId"])
        return Reply(200, {"value": [self._provider(plan.id, name) for name in API_VERSIONS]})

    def provider(self, call: Call) -> Reply:
        """One resource provider with its resource types."""
        return Reply(200, self._named(call, call.parameters["resourceProviderNamespace"]))

    def register(self, call: Call) -> Reply:
        """Register a provider; it is already."""
        return Reply(200, self._named(call, call.path.strip("/").split("/")[3]))

    def _named(self, call: Call, wanted: str) -> dict[str, Any]:
        plan = self._world.subscription(call.parameters["subscriptionId"])
        name = next((name for name in API_VERSIONS if name.lower() == wanted.lower()), None)
        if name is None:
            raise Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{wanted}' is invalid.")
        return self._provider(plan.id, name)

    def _provider(self, subscription: str, name: str) -> dict[str, Any]:
        versions = list(API_VERSIONS[name])
        places = [display_name(place) for place in sorted(all_regions(self._world.locations))]
        return {
            "id": f"/subscriptions/{subscription}/providers/{name}",
            "namespace": name,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": [
                {"resourceType": kind, "locations": places, "apiVersions": versions, "capabilities": "None"}
                for kind in self._types.get(name.lower(), ())
            ],
        }


def display_name(region: str) -> str:
    """A region as people read it: eastus2 is East US 2."""
    words = _WORD.findall(region)
    if "".join(words) != region:
        return region
    return " ".join(_SPELT.get(word, word.title()) for word in words)


def _resource_types(routes: Iterable[Route]) -> dict[str, list[str]]:
    """From a provider in lower case to its resource types: the literal segments of the templates beneath it."""
    found: dict[str, dict[str, None]] = {}
    for route in routes:
        _, separator, rest = route.template.rpartition("/providers/")
        provider, _, types = rest.partition("/")
        segments = types.split("/") if types else []
        names = [segment for segment in segments[::2] if not segment.startswith("{")]
        if separator and names and route.method in ("GET", "PUT"):
            found.setdefault(provider.lower(), {})["/".join(names)] = None
    return {provider: list(kinds) for provider, kinds in found.items()}
