"""What the join script is told: the `settings` of /etc/slurm-azure/node.json, alike for all nodes of a pool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from slurm_azure.config import Config
from slurm_azure.errors import RenderError

_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_CONTROLLER = re.compile(
    rf"(?P<host>{_HOST})(:(?P<port>\d+))?|\[(?P<bracketed>[0-9A-Fa-f:.]+)\](:(?P<port6>\d+))?|(?P<bare>[0-9A-Fa-f:.]+)"
)
_SHARE_OF_DEADLINE = 0.8


def node_settings(config: Config, pool: str) -> dict[str, Any]:
    """Plain data for JSON, without any secret. Durations in seconds.

    `give_up_after` is how long after its boot a node goes on trying: less than the daemon waits for it (deadlines.boot, from
    the moment that Azure says it is there), so that the cause is heard before the daemon gives up without one. Raises
    RenderError.
    """
    settings = config.pools[pool]
    deadline = settings.deadlines.boot or config.resume_timeout(pool) / 2
    return {
        "cluster": config.cluster,
        "controllers": [controller(text, config.slurm.cluster_port) for text in config.slurm.controllers],
        "munge": _munge(config),
        "authorities": _authorities(config),
        "mounts": [mount.model_dump(mode="json") for mount in config.mounts],
        "give_up_after": round(deadline * _SHARE_OF_DEADLINE),
        "spot": {"signal": settings.spot.signal, "grace": settings.spot.grace},
    }


def controller(text: str, default_port: int) -> dict[str, str | int]:
    """A controller of the configuration (host, host:port, [IPv6]:port or IPv6) as {"host": str, "port": int}.

    Raises RenderError if it is none of these.
    """
    match = _CONTROLLER.fullmatch(text)
    if match is None:
        raise RenderError(f"slurm.controllers: {text!r} is no host or host:port")
    port = int(match["port"] or match["port6"] or default_port)
    return {"host": match["host"] or match["bracketed"] or match["bare"], "port": port}


def _munge(config: Config) -> dict[str, str | None]:
    if config.munge.source == "image":
        return {"source": "image"}
    return {
        "source": "key-vault",
        "vault": config.munge.vault,
        "secret": config.munge.secret,
        "identity": config.azure.node_identity,
    }


def _authorities(config: Config) -> str | None:
    """The certificates that the vault's is checked against besides the image's own; they are public."""
    file = config.azure.ca_file
    if file is None or config.munge.source == "image":
        return None
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RenderError(f"azure.ca_file: {error}") from None
    certificates = re.findall(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\n?", text)
    if not certificates:
        raise RenderError(f"azure.ca_file: {file} holds no certificate in PEM form")
    return "".join(certificates)
