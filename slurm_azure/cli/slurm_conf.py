"""Checks of what Slurm has been told against what it should have been told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from slurm_azure.cli.findings import Finding, ok, warn
from slurm_azure.generate.advice import INCLUDE_FILE

_KEY = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*([^#\n]*?)[ \t]*(?:#.*)?$", re.MULTILINE)
_INCLUDE = re.compile(r"^\s*include\s+(\S+)", re.IGNORECASE | re.MULTILINE)


def check_include(conf_dir: Path, text: str) -> Finding:
    """Whether azure-burst.conf is what `generate` would write now."""
    file = conf_dir / INCLUDE_FILE
    remedy = f"slurm-azure generate --write {conf_dir}, then scontrol reconfigure"
    try:
        there = file.read_text("utf-8")
    except OSError as error:
        return warn(INCLUDE_FILE, f"{file}: {error.strerror}", remedy)
    if there != text:
        return warn(INCLUDE_FILE, f"{file} is not what the configuration says now", remedy)
    return ok(INCLUDE_FILE, f"{file} is what the configuration says")


def check_slurm_conf(conf: Path, advice: str) -> Iterator[Finding]:
    """Whether slurm.conf has every line of `advice` that is needed; of lists, whether it has every word."""
    try:
        text = conf.read_text("utf-8", "replace")
    except OSError as error:
        yield warn("slurm.conf", f"{conf}: {error.strerror}", "set slurm.conf_dir, or run this on the head node")
        return
    there = {key.lower(): value for key, value in _KEY.findall(text)}
    missing = [f"{key}={value}" for key, value in _KEY.findall(advice) if not _has(key, there.get(key.lower(), ""), value)]
    included = {Path(name).name for name in _INCLUDE.findall(text)}
    missing += [f"Include {name}" for name in _INCLUDE.findall(advice) if name not in included]
    for line in missing:
        yield warn("slurm.conf", f"{conf} does not say {line}", "slurm-azure generate tells why it should")
    if not missing:
        yield ok("slurm.conf", f"{conf} says what it should")


def _has(key: str, there: str, wanted: str) -> bool:
    if key.endswith("Timeout") and there.isdecimal() and wanted.isdecimal():
        return int(there) >= int(wanted)  # a site may have more patience with other nodes
    words = {word.strip().lower() for word in there.split(",")}
    return all(word.lower() in words for word in wanted.split(","))
