"""What a node tells of its own boot: one line in its Comment (`scontrol show node`), which the node itself sets.

    slurm-azure boot=failed launch=ID seconds=12.3 stages=host-name:0.01,mounts:4.10 memory=7900 cpus=2 step=mounts cause=...

cloud-init/slurm_node/report.py writes it. A comment that is none of ours says nothing.
"""

from __future__ import annotations

import re

from slurm_azure.model import BootReport, LaunchId

_LINE = re.compile(
    r"slurm-azure boot=(?P<how>ok|failed) launch=(?P<launch>\S+) seconds=(?P<seconds>\d{1,9}(?:\.\d{1,9})?)(?P<rest>(?: .*)?)",
    re.DOTALL,
)
_FIELD = re.compile(r" (?P<key>stages|memory|cpus|step)=(?P<value>\S*)")
_CAUSE = re.compile(r" cause=(.*)", re.DOTALL)
_STAGE = re.compile(r"([^,:\s]+):(\d{1,9}(?:\.\d{1,9})?)")


def parse_boot_report(comment: str) -> BootReport | None:
    """The report in a node's comment; None = there is none. Never raises."""
    line = _LINE.fullmatch(comment.strip())
    if line is None:
        return None
    head, _, _ = line["rest"].partition(" cause=")
    fields = {match["key"]: match["value"] for match in _FIELD.finditer(head)}
    cause = _CAUSE.search(line["rest"])
    return BootReport(
        launch=LaunchId(line["launch"]),
        ok=line["how"] == "ok",
        seconds=float(line["seconds"]),
        stages=tuple((stage, float(seconds)) for stage, seconds in _STAGE.findall(fields.get("stages", ""))),
        step=fields.get("step", ""),
        cause=cause[1].strip() if cause else "",
        memory_mib=_number(fields.get("memory")),
        cpus=_number(fields.get("cpus")),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text) else None
