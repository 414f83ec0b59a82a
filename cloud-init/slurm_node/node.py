"""What this VM is to become, as /etc/slurm-azure/node.json says it."""

import json
from typing import List, NamedTuple, Optional

NODE_FILE = "/etc/slurm-azure/node.json"
IMDS = "http://169.254.169.254"


class Mount(NamedTuple):
    """One NFS share: `source` is host:/path, `options` as mount(8) takes them."""

    source: str
    path: str
    options: str
    required: bool


class Controller(NamedTuple):
    """Where slurmctld listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MungeKey(NamedTuple):
    """Where the munge key is: `source` key-vault (`vault` is its URL, `identity` a resource id) or image."""

    source: str
    vault: str = ""
    secret: str = ""
    identity: Optional[str] = None


class Spot(NamedTuple):
    """What jobs get when Azure takes the VM back: `signal` (none, TERM, USR1, USR2), and `grace` seconds to act on it."""

    signal: str = "none"
    grace: float = 10.0


class Node(NamedTuple):
    """A node. `authorities` are certificates in PEM form; `give_up_after` is in seconds since boot; `launch` is the one that
    this VM was created for."""

    name: str
    pool: str
    cluster: str
    controllers: List[Controller]
    munge: MungeKey
    authorities: Optional[str]
    mounts: List[Mount]
    give_up_after: float
    imds: str = IMDS
    launch: str = ""
    spot: Spot = Spot()


def read_node(file: str = NODE_FILE) -> Node:
    """Read node.json. Raises OSError, ValueError, KeyError or TypeError when it is not what slurm-azure wrote."""
    with open(file, encoding="utf-8") as stream:
        document = json.load(stream)
    settings = document["settings"]
    return Node(
        name=document["node"],
        pool=document["pool"],
        cluster=settings["cluster"],
        controllers=[Controller(**controller) for controller in settings["controllers"]],
        munge=MungeKey(**settings["munge"]),
        authorities=settings["authorities"],
        mounts=[Mount(**mount) for mount in settings["mounts"]],
        give_up_after=float(settings["give_up_after"]),
        imds=settings.get("imds", IMDS),
        launch=document["launch"],
        spot=Spot(settings["spot"]["signal"], float(settings["spot"]["grace"])),
    )
