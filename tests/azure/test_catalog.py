"""The packaged list of VM sizes is complete in itself and says what Azure says."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from slurm_azure.azure.catalog import Catalog

catalog = Catalog.load()


@pytest.mark.parametrize("name", catalog.names())
def test_each_size_is_sound(name: str) -> None:
    """Each row has a name of Azure's form, whole cores, memory and prices that can be."""
    size = catalog.size(name)
    assert size is not None
    assert re.fullmatch(r"Standard_[A-Za-z0-9_-]+", size.name)
    assert size.vcpus_per_core in (1, 2)
    assert size.vcpus % size.vcpus_per_core == 0
    assert 0 < size.memory_gib <= 4096
    assert 0 <= size.gpus <= 16
    assert all(0 < price < 500 for price in size.usd_per_hour.values())


def test_at_least_eighty_sizes_with_prices() -> None:
    """Most sizes that a site would name are there, with prices."""
    priced = [name for name in catalog.names() if catalog.price(name, "westeurope") is not None]
    assert len(priced) >= 80


@pytest.mark.parametrize(
    ("name", "vcpus", "cores", "memory", "gpus"),
    [
        ("Standard_D4s_v5", 4, 2, 16, 0),
        ("Standard_E96s_v5", 96, 48, 672, 0),
        ("Standard_F72s_v2", 72, 36, 144, 0),
        ("Standard_HB120rs_v3", 120, 120, 448, 0),
        ("Standard_HB120-16rs_v3", 16, 16, 448, 0),
        ("Standard_HX176rs", 176, 176, 1408, 0),
        ("Standard_HC44rs", 44, 44, 352, 0),
        ("Standard_NC24ads_A100_v4", 24, 24, 220, 1),
        ("Standard_NV36ads_A10_v5", 36, 18, 440, 1),
        ("Standard_ND96isr_H100_v5", 96, 96, 1900, 8),
        ("Standard_M8-2ms", 2, 1, 218.75, 0),
    ],
)
def test_known_sizes(name: str, vcpus: int, cores: int, memory: float, gpus: int) -> None:
    """Sizes of each family have the figures of Microsoft's size pages; constrained sizes have what is left to use."""
    size = catalog.size(name)
    assert size is not None
    assert (size.vcpus, size.cores, size.memory_gib, size.gpus) == (vcpus, cores, memory, gpus)


def test_names_in_any_case() -> None:
    """Azure takes size names in any case, so the list does."""
    assert catalog.size("standard_d4S_V5") is catalog.size("Standard_D4s_v5")


def test_unknown_is_none() -> None:
    """A size or location that is not in the list is no error: it is not known."""
    assert catalog.size("Standard_Z1") is None
    assert catalog.price("Standard_Z1", "westeurope") is None
    assert catalog.price("Standard_D4s_v5", "atlantis") is None


def test_each_row_names_its_source() -> None:
    """Where a row comes from is in the file."""
    document = json.loads(files("slurm_azure.azure").joinpath("sizes.json").read_text("utf-8"))
    assert {row["source"] for row in document["sizes"]} <= set(document["sources"])
    assert "prices" in document["sources"]
