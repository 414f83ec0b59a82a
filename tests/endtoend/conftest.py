"""One site in miniature for all end-to-end tests: real slurmctld, munge, NFS, cloud-init and slurmd, a simulated Azure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from slurm_azure.demo.site import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("needs root: a site is made of namespaces")
    with Site(simulator=["--delete-seconds", "uniform(2,4)"]) as site:
        yield site
