"""One site in miniature for all end-to-end tests: real slurmctld, munge, NFS, cloud-init and slurmd, a simulated Azure.

At the site's end every exchange with its Azure is held against Microsoft's OpenAPI files."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from slurm_azure.demo.site import Site
from tests.contracts.ledger import LEDGER


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("needs root: a site is made of namespaces")
    record = tmp_path_factory.mktemp("site") / "exchanges"
    with Site(simulator=["--delete-seconds", "uniform(2,4)", "--record", str(record)]) as site:
        yield site
    LEDGER.close_file(record, "tests/endtoend")
