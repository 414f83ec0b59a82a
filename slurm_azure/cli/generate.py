"""`slurm-azure generate`: Slurm's part of the configuration."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from slurm_azure.cli import release
from slurm_azure.cli.context import Context
from slurm_azure.cli.files import hooks_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `generate`."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write azure-burst.conf into DIR (mostly /etc/slurm)")
    release.add_argument(parser)


def run(options: argparse.Namespace, context: Context) -> int:
    """Write or print azure-burst.conf; print what must stand in slurm.conf and gres.conf. Doubts go to stderr."""
    from slurm_azure.azure.catalog import Catalog
    from slurm_azure.generate.advice import INCLUDE_FILE
    from slurm_azure.generate.slurm import generate

    config = context.config()
    slurm = release.release_of(options, context, config)
    made = generate(config, Catalog.load(), slurm, hooks_folder(), str(context.config_file))
    for doubt in made.doubts:
        context.remark(f"doubtful: {doubt}")
    if options.write is None:
        context.say(f"# ---- {INCLUDE_FILE}\n{made.include}\n# ---- slurm.conf")
    else:
        file = options.write / INCLUDE_FILE
        context.remark(f"{file} " + ("written" if write_if_changed(file, made.include) else "is as it should be already"))
    context.say(made.slurm_conf.rstrip("\n"))
    if made.gres_conf:
        # Commented out: whoever takes the lines above into slurm.conf must not take these along.
        lines = "\n".join(f"#{line}" for line in made.gres_conf.splitlines())
        context.say(f"\n# ---- gres.conf (these lines, without the leading '#')\n{lines}")
    return 0


def write_if_changed(file: Path, text: str) -> bool:
    """Make `file` hold `text`, with mode 0644, at once or not at all; False if it did already. Raises OSError."""
    try:
        if file.read_text("utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as draft:
            try:
                draft.write(text)
                draft.flush()
                os.fchmod(draft.fileno(), 0o644)
                os.fsync(draft.fileno())
                os.replace(draft.name, file)
            except BaseException:
                os.unlink(draft.name)
                raise
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(file)) from None  # the draft's name says nothing to anybody
    return True
