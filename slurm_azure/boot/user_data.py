"""User data: what a VM is told at its first boot, rendered from the templates in cloud-init/ with Jinja2.

All that is alike for a pool's nodes is prepared once; a render puts in the node's name and its launch. With a `user_data`
file of the pool the result is a MIME multi-part text of two cloud-configs, ours first, which cloud-init merges so that
lists are joined and our single values stay (cloud-init documentation, "Merging user-data sections").
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from slurm_azure.boot.node_settings import node_settings
from slurm_azure.boot.site_part import Envelope, read_site_part
from slurm_azure.config import Config
from slurm_azure.errors import RenderError

TEMPLATE = "user-data.yaml.j2"
SCRIPTS = ("join.py", "watch.py", "slurm_node/*.py")
OVERRIDES = Path("/etc/slurm-azure/cloud-init")
LIMIT = 65535
"""Bytes Azure takes as customData, before base64 (Microsoft, "Custom data and cloud-init on Azure Virtual Machines")."""

_INDENT = " " * 4
_NOT_ASCII = re.compile(r"[^ -~]")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Script:
    """A file of the node's scripts: its path below its folder, and its text as cloud-init's `encoding: gz+b64` takes it."""

    path: str
    packed: str


@dataclass(frozen=True, slots=True)
class _PoolPart:
    """What is alike for all nodes of a pool."""

    known: Mapping[str, Any]
    envelope: Envelope | None


class UserData:
    """Renders the user data of nodes. Files are read once: make a new one after a change of configuration or templates."""

    def __init__(self, config: Config, folder: Path | None = None, *, overrides: Path = OVERRIDES) -> None:
        """Templates come from `folder` (default: where this installation has them); a file of the same name in
        `overrides`, the administrator's folder, goes first. Raises RenderError if they are missing or malformed."""
        self._config = config
        self._folders = [overrides, folder or _own_folder()]
        self._environment = Environment(
            loader=FileSystemLoader(self._folders),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - the output is YAML; HTML's escapes would spoil it
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self._environment.filters["yaml"] = quote
        self._template = self._load()
        self._scripts = self._read_scripts()
        self._pools: dict[str, _PoolPart] = {}

    def render(self, node: str, pool: str, launch: str = "") -> str:
        """Complete user data for `node` of `pool`: cloud-config, or a MIME multi-part of two, at most LIMIT bytes. `launch` is
        what the node names in its boot report.

        Raises RenderError, which names the template and the cause.
        """
        if _HOST_NAME.fullmatch(node) is None:
            raise RenderError(f"{node!r} cannot be a VM's host name (letters, digits, '-'; at most 63)")
        part = self._pools.get(pool)
        if part is None:
            part = self._pools[pool] = self._prepare(pool, node)
        text = self._fill(part.known, node, launch)
        return _within_limit(text if part.envelope is None else part.envelope.around(text), pool)

    def _load(self) -> Template:
        try:
            return self._environment.get_template(TEMPLATE)
        except TemplateNotFound:
            places = " nor in ".join(map(str, self._folders))
            raise RenderError(f"{TEMPLATE} is neither in {places}: reinstall slurm-azure or give its folder") from None
        except (TemplateError, UnicodeDecodeError) as error:
            _complain(error)

    def _fill(self, known: Mapping[str, Any], node: str, launch: str) -> str:
        try:
            return self._template.render(known, node=node, launch=launch)
        except Exception as error:  # a template may hold any expression, so it may raise anything
            _complain(error)

    def _prepare(self, pool: str, sample: str) -> _PoolPart:
        if pool not in self._config.pools:
            raise RenderError(f"there is no pool {pool!r} in the configuration")
        settings = json.dumps(node_settings(self._config, pool), indent=1)
        known = {
            "pool": pool,
            "config": self._config,
            "settings": _block(settings, "settings"),
            "scripts": self._scripts,
        }
        ours = self._fill(known, sample, "")
        _check_cloud_config(ours)
        site = self._config.pools[pool].user_data
        return _PoolPart(known, None if site is None else read_site_part(Path(site), pool))

    def _read_scripts(self) -> tuple[Script, ...]:
        files: dict[str, Path] = {}
        for folder in reversed(self._folders):
            files |= {str(file.relative_to(folder)): file for pattern in SCRIPTS for file in folder.glob(pattern)}
        for needed in SCRIPTS[:2]:
            if needed not in files:
                raise RenderError(f"{needed} is neither in {' nor in '.join(map(str, self._folders))}")
        try:
            return tuple(Script(name, _pack(files[name].read_bytes())) for name in sorted(files))
        except OSError as error:
            raise RenderError(f"{TEMPLATE}: its scripts cannot be read: {error}") from None


def quote(text: object) -> str:
    """`text` as a double-quoted YAML string of ASCII characters on one line (YAML 1.2 specification, 5.7 "Escaped
    characters"). Without characters beyond the BMP it is JSON as well; JSON's two surrogates are not YAML."""
    return _NOT_ASCII.sub(_escape, json.dumps(str(text), ensure_ascii=False))


def _escape(character: re.Match[str]) -> str:
    code = ord(character[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _pack(script: bytes) -> str:
    """gzip in base64. Without a time in it: the same scripts are the same user data, or every VM's would differ."""
    return base64.b64encode(gzip.compress(script, mtime=0)).decode("ascii")


def _block(text: str, name: str) -> str:
    """`text` indented for a YAML literal block; the last line break is left to the template."""
    lines = text.rstrip("\n").split("\n")
    bad = next((number for number, line in enumerate(lines, 1) if not line.replace("\t", "").isprintable()), None)
    if bad is not None:
        raise RenderError(f"{name}:{bad}: holds a character that YAML cannot carry as it is (a control character or CR)")
    if lines[0][:1].isspace() or not lines[0]:
        raise RenderError(f"{name}:1: the first line must not be empty or begin with a blank")
    return "\n".join(_INDENT + line if line else "" for line in lines)


def _check_cloud_config(text: str) -> None:
    if not text.startswith("#cloud-config\n"):
        raise RenderError(f"{TEMPLATE}: its first line must be #cloud-config and nothing else")
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise RenderError(f"{TEMPLATE}: does not render to YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise RenderError(f"{TEMPLATE}: does not render to a YAML mapping")


def _within_limit(text: str, pool: str) -> str:
    size = len(text) if text.isascii() else len(text.encode())
    if size > LIMIT:
        raise RenderError(
            f"user data of pool {pool} has {size} bytes, Azure takes {LIMIT}: make its user_data file or azure.ca_file smaller"
        )
    return text


def _complain(error: Exception) -> NoReturn:
    """Raise RenderError with the template, the line where that is known, and the cause."""
    if isinstance(error, TemplateSyntaxError):
        where = f"{error.name or TEMPLATE}:{error.lineno}"
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(TEMPLATE)]
        where = f"{TEMPLATE}:{lines[-1]}" if lines else TEMPLATE
    raise RenderError(f"{where}: {' '.join(str(error).split())}") from None


def _own_folder() -> Path:
    """Where the templates of this installation are: the checkout's cloud-init/ when we run from one, else share/ of the
    Python prefix. In this order, because an environment made for a checkout may hold an older copy."""
    checkout = Path(__file__).resolve().parents[2] / "cloud-init"
    return checkout if (checkout / TEMPLATE).is_file() else Path(sys.prefix) / "share/slurm-azure/cloud-init"
