"""The site's own cloud-config for a pool, and the MIME envelope in which it travels with ours."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from slurm_azure.errors import RenderError

_BOUNDARY = "==slurm-azure-part=="
_HEAD = f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"\nMIME-Version: 1.0\n\n'
_PART = (
    'Content-Type: text/cloud-config; charset="utf-8"\n'
    "Content-Transfer-Encoding: {encoding}\n"
    'Content-Disposition: attachment; filename="{name}"\n'
)
# Ours comes first, so it is "old" to cloud-init: no_replace keeps our values, append puts the site's list items behind ours.
_MERGE = "X-Merge-Type: dict(no_replace,recurse_list)+list(append)+str()\n"
_FORBIDDEN = {
    "merge_how": "it would decide how the two are merged",
    "merge_type": "it would decide how the two are merged",
    "cloud_init_modules": "the node's own steps hang on the modules of its image",
    "cloud_config_modules": "the node's own steps hang on the modules of its image",
    "cloud_final_modules": "the node's own steps hang on the modules of its image",
    "power_state": "the node would go down when it has just joined",
}
_LISTS = ("write_files", "runcmd", "bootcmd")


@dataclass(frozen=True, slots=True)
class Envelope:
    """All of the multi-part text but our own cloud-config."""

    before: str
    after: str

    def around(self, ours: str) -> str:
        """The multi-part text with our cloud-config as its first part."""
        return self.before + ours + self.after


def read_site_part(file: Path, pool: str) -> Envelope:
    """The envelope for a pool's `user_data` file. Raises RenderError if that is not cloud-config, or would undo ours."""
    where = f"pools.{pool}.user_data: {file}"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RenderError(f"{where}: {error}") from None
    _check(text, where)
    before = f"{_HEAD}--{_BOUNDARY}\n{_PART.format(encoding='8bit', name='slurm-azure.yaml')}\n"
    # base64, so that no line of the site's can be taken for a boundary, whatever it holds.
    body = base64.encodebytes(text.encode()).decode("ascii")
    site = _PART.format(encoding="base64", name="site.yaml") + _MERGE
    return Envelope(before, f"\n--{_BOUNDARY}\n{site}\n{body}\n--{_BOUNDARY}--\n")


def _check(text: str, where: str) -> None:
    if text.split("\n", 1)[0].rstrip() != "#cloud-config":
        raise RenderError(f"{where}: its first line must be #cloud-config")
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise RenderError(f"{where}: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise RenderError(f"{where}: is no YAML mapping")
    for key in _LISTS:
        if key in value and not isinstance(value[key], list):
            raise RenderError(f"{where}: {key} must be a list")
    for key in value.keys() & _FORBIDDEN.keys():
        raise RenderError(f"{where}: takes {key} out of your hands: {_FORBIDDEN[key]}")
