"""Everything Slurm needs to know of the cloud partitions, from slurm-azure.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slurm_azure.azure.catalog import Catalog
from slurm_azure.config import Config
from slurm_azure.errors import ConfigError
from slurm_azure.generate.advice import advice
from slurm_azure.generate.doubts import Doubt, find_doubts
from slurm_azure.generate.gres import gres_lines
from slurm_azure.generate.include import include_file
from slurm_azure.slurm.versions import Release, traits


@dataclass(frozen=True, slots=True)
class Generated:
    """`include` is the text of azure-burst.conf, `slurm_conf` what must stand in slurm.conf itself, `gres_conf` what must
    stand in gres.conf ('' = nothing); `doubts` should be looked at."""

    include: str
    slurm_conf: str
    gres_conf: str
    doubts: tuple[Doubt, ...]


def generate(config: Config, catalog: Catalog, release: Release, hooks_dir: Path, file: str = "slurm-azure.yaml") -> Generated:
    """Slurm's part of `config` for the Slurm `release` ((22, 5) is 22.05), with the hooks in `hooks_dir` (absolute).

    Pure: the same input gives the same text. Raises ConfigError, with all of them, for mistakes by which nodes would be
    unusable or slurmctld would not start; `file` is named in it.
    """
    known = traits(release)
    doubts = find_doubts(config, catalog, known)
    grave = [str(doubt) for doubt in doubts if doubt.grave]
    if grave:
        raise ConfigError(file, grave)
    gres = [line for pool in config.pools.values() for line in gres_lines(pool)]
    return Generated(
        include=include_file(config, catalog, known),
        slurm_conf=advice(config, known, hooks_dir),
        gres_conf="".join(f"{line}\n" for line in gres),
        doubts=doubts,
    )
