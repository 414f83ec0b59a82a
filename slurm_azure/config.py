"""The one typed model of slurm-azure.yaml. Nobody else reads the file; everybody else gets a `Config`.

All mistakes are reported at once, each with its line and the path of its key (`ConfigError`). Durations are written
`90s`, `5m`, `2h` or as plain seconds, and are seconds (float) in here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from slurm_azure.errors import ConfigError, HostlistError
from slurm_azure.hostlist import expand
from slurm_azure.mistakes import describe_all
from slurm_azure.model import Offer, PoolName, Priority
from slurm_azure.yaml_file import read_yaml

DEFAULT_FILE = Path("/etc/slurm-azure/slurm-azure.yaml")
DEFAULT_STATE = Path("/var/lib/slurm-azure")
DEFAULT_RUN = Path("/run/slurm-azure")

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SUBNET = r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+$"
_IDENTITY = r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+$"
_LISTEN = r"^(off|(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5})$"
_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
_PATH = r"^/[^\s\x00]*$"
_HTTPS = r"^https://[^\s/]+(/.*)?$"
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_MARKETPLACE = r"^[^:\s]+:[^:\s]+:[^:\s]+:[^:\s]+$"
_SHARE = r"^(\[[0-9a-fA-F:]+\]|[^\s:/]+):/\S*$"
_GRES = r"^[A-Za-z0-9_]+(:[A-Za-z0-9_.-]+)?:\d+[KMGT]?$"
FORMS = {
    _SUBNET: "a subnet's resource id (/subscriptions/.../virtualNetworks/NAME/subnets/NAME)",
    _IDENTITY: "a managed identity's resource id (/subscriptions/.../userAssignedIdentities/NAME)",
    _LISTEN: "ADDRESS:PORT, or off",
    _NAME: "a name: a letter, then letters, digits, _ and -",
    _PATH: "an absolute path without blanks",
    _HTTPS: "an address that begins with https://",
    _GUID: "an id such as 00000000-0000-0000-0000-000000000000",
    _MARKETPLACE: "publisher:offer:sku:version",
    _SHARE: "SERVER:/PATH",
    _GRES: "NAME:COUNT or NAME:TYPE:COUNT, such as gpu:a100:4",
}
"""What a pattern asks for, in words."""
_TAG_LIMIT = 50  # Azure: at most 50 tags a resource; four are ours


def _seconds(value: object) -> object:
    """Durations such as `5m`; anything that is not one is left for pydantic to refuse."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value)
        if match is None:
            raise ValueError(f"{value!r} is no duration; write for instance 90s, 5m or 2h")
        return float(match[1]) * _UNITS[match[2]]
    return value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _listen(value: str) -> str:
    if value != "off" and not 0 < int(value.rpartition(":")[2]) < 65536:
        raise ValueError("the port must be one from 1 to 65535")
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Name = Annotated[str, StringConstraints(pattern=_NAME)]
AbsolutePath = Annotated[str, StringConstraints(pattern=_PATH)]
HttpsUrl = Annotated[str, StringConstraints(pattern=_HTTPS)]
Guid = Annotated[str, StringConstraints(pattern=_GUID)]
OneLine = Annotated[str, StringConstraints(pattern=r"^[^\r\n\x00]*$")]


CoolingReason = Literal[
    "capacity", "quota", "spot-price", "evicted", "network", "image", "configuration", "permission", "policy", "unknown"
]
"""Failure reasons after which something cools down (lifecycle/offers.py has the times)."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _all_commented_out(cls, value: object) -> object:
        """A section of which every key is commented out is YAML's null: all defaults."""
        return {} if value is None else value


class Credential(_Section):
    """Who we are to Azure. `default` is azure-identity's own chain (environment, workload identity, managed identity, az)."""

    kind: Literal["default", "managed-identity", "workload-identity", "certificate", "secret"] = "default"
    tenant: str | None = None
    client: str | None = None
    certificate_file: AbsolutePath | None = None
    secret_file: AbsolutePath | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {
            "certificate": ("tenant", "client", "certificate_file"),
            "secret": ("tenant", "client", "secret_file"),
        }.get(self.kind, ())
        missing = [key for key in needs if getattr(self, key) is None]
        if missing:
            raise ValueError(f"kind: {self.kind} also needs {', '.join(missing)}")
        return self


class Azure(_Section):
    """Where in Azure, and as whom."""

    subscription: Guid
    resource_group: Annotated[str, StringConstraints(pattern=r"^[\w.()-]{1,90}$")]
    location: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    subnet: Annotated[str, StringConstraints(pattern=_SUBNET)]
    network_security_group: str | None = None
    credential: Credential = Credential()
    node_identity: Annotated[str, StringConstraints(pattern=_IDENTITY)] | None = None
    endpoint: HttpsUrl = "https://management.azure.com"
    authority: HttpsUrl = "https://login.microsoftonline.com"
    ca_file: AbsolutePath | None = None


class Slurm(_Section):
    """The cluster's own Slurm, as the head node and the cloud nodes see it."""

    controllers: Annotated[list[str], BeforeValidator(_one_or_many), Field(min_length=1)]
    conf_dir: AbsolutePath = "/etc/slurm"
    bin_dir: AbsolutePath = "/usr/bin"
    cluster_port: Annotated[int, Field(ge=1, le=65535)] = 6817


class Munge(_Section):
    """Where a node gets the munge key: a Key Vault secret (base64 of the key) by managed identity, or its image."""

    source: Literal["key-vault", "image"]
    vault: HttpsUrl | None = None
    secret: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,127}$")] = "munge-key"  # noqa: S105 - its name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "key-vault" and self.vault is None:
            raise ValueError("source: key-vault also needs vault, such as https://NAME.vault.azure.net")
        return self


class Ssh(_Section):
    """The administrator's way into a node; Azure wants a public key on each VM."""

    user: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "azureuser"
    keys: Annotated[list[OneLine], BeforeValidator(_one_or_many), Field(min_length=1)]


class Image(_Section):
    """What the VMs boot: exactly one of the three."""

    marketplace: Annotated[str, StringConstraints(pattern=_MARKETPLACE)] | None = None
    gallery: Annotated[str, StringConstraints(pattern=r"^/[^\s]+/images/[^\s]+$")] | None = None
    id: Annotated[str, StringConstraints(pattern=r"(?i)^/subscriptions/[^\s]+$")] | None = None
    plan: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [key for key in ("marketplace", "gallery", "id") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of marketplace, gallery, id")
        if self.plan and self.marketplace is None:
            raise ValueError("plan: true goes with a marketplace image")
        return self


class OsDisk(_Section):
    """The VM's system disk; `ephemeral` lives on the VM's own storage: fastest, free of charge, lost with the VM."""

    kind: Literal["managed", "ephemeral"] = "managed"
    storage: Literal["Standard_LRS", "StandardSSD_LRS", "Premium_LRS", "StandardSSD_ZRS", "Premium_ZRS"] = "StandardSSD_LRS"
    placement: Literal["CacheDisk", "ResourceDisk", "NvmeDisk"] | None = None
    size_gb: Annotated[int, Field(ge=1, le=4095)] | None = None


class Spot(_Section):
    """Spot VMs: `max_price` in USD per hour (-1 = up to the on-demand price); `fallback` when Spot cannot be had; what jobs get
    when Azure takes their VM back (some 30 s before): `signal` first, and `grace` to act on it, then they are requeued."""

    max_price: float = -1.0
    fallback: Literal["on-demand", "none"] = "none"
    signal: Literal["none", "TERM", "USR1", "USR2"] = "none"
    grace: Annotated[Duration, Field(le=20)] = 10.0

    @model_validator(mode="after")
    def _price(self) -> Self:
        if self.max_price != -1.0 and self.max_price <= 0:
            raise ValueError("max_price is USD per hour above 0, or -1 for up to the on-demand price")
        return self


class Deadlines(_Section):
    """How long a VM may take: `create` until Azure says it is provisioned, `boot` from then until it has joined. Unset: a third
    and a half of resume_timeout."""

    create: Annotated[Duration, Field(ge=10)] | None = None
    boot: Annotated[Duration, Field(ge=10)] | None = None


class BreakerSettings(_Section):
    """After `failures` boots in a row that failed the pool is closed; one canary is booted after `pause`, then after twice
    that."""

    failures: Annotated[int, Field(ge=1)] = 5
    pause: Annotated[Duration, Field(ge=10, le=3600)] = 600.0


class Keep(_Section):
    """For release: deallocate. At most `most` VMs of the pool are kept, each no longer than `longest`."""

    most: Annotated[int, Field(ge=1)] = 50
    longest: Annotated[Duration, Field(ge=60)] = 3 * 86400.0


class Budget(_Section):
    """Limits that no launch may break; None = none. Costs are USD, by the prices `status` shows; `booting`: VMs on their way at
    the same time."""

    nodes: Annotated[int, Field(ge=0)] | None = None
    cores: Annotated[int, Field(ge=0)] | None = None
    cost_per_hour: Annotated[float, Field(ge=0)] | None = None
    cost_per_month: Annotated[float, Field(ge=0)] | None = None
    booting: Annotated[int, Field(ge=1)] | None = None


class Hardware(_Section):
    """What Slurm is told a node has, where the VM size's own figures are not wanted."""

    sockets: Annotated[int, Field(ge=1)] | None = None
    cores_per_socket: Annotated[int, Field(ge=1)] | None = None
    threads_per_core: Annotated[int, Field(ge=1)] | None = None
    memory_mib: Annotated[int, Field(ge=1)] | None = None


class Pool(_Section):
    """Alike nodes: the names Slurm knows them by and how Azure is asked for one."""

    nodes: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    sizes: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]],
        BeforeValidator(_one_or_many),
        Field(min_length=1),
    ]
    zones: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[1-9]$")]], BeforeValidator(_one_or_many)] = []
    image: Image
    os_disk: OsDisk = OsDisk()
    priority: Literal["on-demand", "spot"] = "on-demand"
    spot: Spot = Spot()
    accelerated_networking: bool = True
    tags: dict[
        Annotated[str, StringConstraints(pattern=r"^[^<>%&\\?/]{1,512}$")],
        Annotated[str, StringConstraints(max_length=256)],
    ] = {}
    features: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.=-]+$")]], BeforeValidator(_one_or_many)
    ] = []
    gres: Annotated[
        list[Annotated[str, StringConstraints(pattern=_GRES)]],
        BeforeValidator(_one_or_many),
    ] = []
    weight: Annotated[int, Field(ge=0, le=4294967280)] = 100
    hardware: Hardware = Hardware()
    price_per_hour: Annotated[float, Field(gt=0)] | None = None
    user_data: str | None = None
    order: Literal["listed", "cheapest", "spread"] = "listed"
    all_or_nothing: bool = False
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    deadlines: Deadlines = Deadlines()
    breaker: BreakerSettings = BreakerSettings()
    cancelled_jobs: Literal["release", "keep"] = "release"
    release: Literal["delete", "deallocate"] = "delete"
    keep: Keep = Keep()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(self.tags) > _TAG_LIMIT - 4:
            raise ValueError(f"at most {_TAG_LIMIT - 4} tags: Azure takes {_TAG_LIMIT} a resource and four are ours")
        if any(tag.lower().startswith("slurm-azure-") for tag in self.tags):
            raise ValueError("tags that begin with slurm-azure- are ours")
        if self.os_disk.placement is not None and self.os_disk.kind != "ephemeral":
            raise ValueError("os_disk.placement goes with kind: ephemeral")
        if self.release == "deallocate" and self.os_disk.kind == "ephemeral":
            raise ValueError("release: deallocate needs os_disk.kind: managed (Azure cannot stop a VM with an ephemeral disk)")
        return self

    def offers(self) -> tuple[Offer, ...]:
        """What Azure is asked for, in order: sizes outermost, then zones; Spot before its on-demand fallback."""
        zones: list[str | None] = [*self.zones] or [None]
        places = [(size, zone) for size in self.sizes for zone in zones]
        plain = tuple(Offer(size, zone) for size, zone in places)
        if self.priority == "on-demand":
            return plain
        spot = tuple(Offer(size, zone, Priority.SPOT, self.spot.max_price) for size, zone in places)
        return spot + plain if self.spot.fallback == "on-demand" else spot


class Partition(_Section):
    """A Slurm partition made of pools, with its power saving times."""

    pools: Annotated[list[str], BeforeValidator(_one_or_many), Field(min_length=1)]
    default: bool = False
    suspend_time: Duration = 300.0
    resume_timeout: Annotated[Duration, Field(ge=30, le=65533)] = 900.0
    suspend_timeout: Annotated[Duration, Field(ge=1, le=65533)] = 60.0
    max_time: Annotated[str, StringConstraints(pattern=r"^(INFINITE|[\d:-]+)$")] = "INFINITE"
    budget: Budget = Budget()
    options: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+$")], Annotated[str, StringConstraints(pattern=r"^\S+$")]
    ] = {}


class Mount(_Section):
    """One share of the site's NFS servers on every node. A node without all required ones does not join."""

    source: Annotated[str, StringConstraints(pattern=_SHARE)]
    path: Annotated[str, StringConstraints(pattern=r"^/[^\s,]+$")]
    options: Annotated[str, StringConstraints(pattern=r"^[^\s]*$")] = "rw,vers=4.1,proto=tcp,hard,noatime"
    required: bool = True


class Requests(_Section):
    """Azure's request budgets as token buckets: `burst` tokens, refilled by `per_second`. Defaults are the documented ones
    (Microsoft, "Request limits and throttling"); raise them only if Microsoft raised yours."""

    write_burst: Annotated[int, Field(ge=1)] = 200
    write_per_second: Annotated[float, Field(gt=0)] = 10.0
    delete_burst: Annotated[int, Field(ge=1)] = 200
    delete_per_second: Annotated[float, Field(gt=0)] = 10.0
    read_burst: Annotated[int, Field(ge=1)] = 250
    read_per_second: Annotated[float, Field(gt=0)] = 25.0


class Limits(_Section):
    """How hard the daemon works, and how long it waits."""

    calls_at_once: Annotated[int, Field(ge=1, le=64)] = 16
    requests: Requests = Requests()
    list_interval: Annotated[Duration, Field(ge=1)] = 5.0
    idle_list_interval: Annotated[Duration, Field(ge=10)] = 300.0
    slurm_interval: Annotated[Duration, Field(ge=0.5)] = 2.0
    idle_slurm_interval: Annotated[Duration, Field(ge=1)] = 15.0
    delete_retry: Annotated[Duration, Field(ge=10)] = 180.0
    failed_node_hold: Duration = 60.0
    history: Annotated[Duration, Field(ge=3600)] = 30 * 86400.0
    console_history: Duration = 14 * 86400.0
    sweep_interval: Annotated[Duration, Field(ge=60)] = 3600.0
    cool_downs: dict[CoolingReason, Annotated[Duration, Field(gt=0)]] = {}


class Metrics(_Section):
    """Where Prometheus finds us; `listen` is ADDRESS:PORT or `off`."""

    listen: Annotated[str, StringConstraints(pattern=_LISTEN), AfterValidator(_listen)] = "127.0.0.1:9819"


class Config(_Section):
    """slurm-azure.yaml, whole and sound."""

    cluster: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$")]
    azure: Azure
    slurm: Slurm
    munge: Munge
    ssh: Ssh
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]
    partitions: Annotated[dict[Name, Partition], Field(min_length=1)]
    mounts: list[Mount] = []
    limits: Limits = Limits()
    budget: Budget = Budget()
    metrics: Metrics = Metrics()

    def resume_timeout(self, pool: str) -> float:
        """Seconds Slurm waits for a node of `pool`: the longest of its partitions (man slurm.conf, ResumeTimeout)."""
        return max(part.resume_timeout for part in self.partitions.values() if pool in part.pools)

    def pool_of(self) -> dict[str, PoolName]:
        """Each node's pool, for all nodes of all pools."""
        return {node: PoolName(name) for name, pool in self.pools.items() for node in expand(pool.nodes)}


def load_config(file: Path = DEFAULT_FILE) -> Config:
    """Read and check `file`. Raises ConfigError with every mistake that was found."""
    document = read_yaml(file)
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        raise ConfigError(str(file), [*document.mistakes, *describe_all(error, Config, document, FORMS)]) from None
    mistakes = [*document.mistakes, *(f"{document.where(path)}{text}" for path, text in cross_check(config))]
    if mistakes:
        raise ConfigError(str(file), mistakes)
    return config


Finding = tuple[tuple[str | int, ...], str]


def cross_check(config: Config) -> list[Finding]:
    """What no single key shows: each finding is the path of a key and what is wrong with it."""
    findings = [*_check_nodes(config), *_check_partitions(config), *_check_mounts(config)]
    if config.munge.source == "key-vault" and config.azure.node_identity is None:
        findings.append(
            (("azure", "node_identity"), "needed: munge.source is key-vault, and nodes read it by managed identity")
        )
    return findings


def _check_nodes(config: Config) -> list[Finding]:
    findings: list[Finding] = []
    owner: dict[str, str] = {}
    for name, pool in config.pools.items():
        try:
            nodes = expand(pool.nodes)
        except HostlistError as error:
            findings.append((("pools", name, "nodes"), str(error)))
            continue
        bad = next((node for node in nodes if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", node)), None)
        if bad is not None:
            findings.append(
                (("pools", name, "nodes"), f"{bad!r} cannot be a VM's host name (letters, digits, '-'; at most 63)")
            )
        shared = next((node for node in nodes if owner.setdefault(node, name) != name), None)
        if shared is not None:
            findings.append((("pools", name, "nodes"), f"{shared} is in pool {owner[shared]} too"))
        if len(set(nodes)) != len(nodes):
            findings.append((("pools", name, "nodes"), "names a node twice"))
    return findings


def _check_partitions(config: Config) -> list[Finding]:
    findings: list[Finding] = []
    for name, partition in config.partitions.items():
        for index, pool in enumerate(partition.pools):
            if pool not in config.pools:
                findings.append((("partitions", name, "pools", index), f"there is no pool {pool!r}"))
    used = {pool for partition in config.partitions.values() for pool in partition.pools}
    findings += [(("pools", pool), "is in no partition") for pool in config.pools if pool not in used]
    if sum(partition.default for partition in config.partitions.values()) > 1:
        findings.append((("partitions",), "more than one partition is the default"))
    return findings


def _check_mounts(config: Config) -> list[Finding]:
    seen: dict[str, int] = {}
    findings: list[Finding] = []
    for index, mount in enumerate(config.mounts):
        if mount.path.rstrip("/") in seen:
            findings.append((("mounts", index, "path"), f"{mount.path} is a mount already"))
        seen[mount.path.rstrip("/")] = index
    return findings
