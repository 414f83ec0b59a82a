"""A list of VM sizes that tests can count on, whatever the packaged list says."""

from __future__ import annotations

from slurm_azure.azure.catalog import Catalog, Size


def a_catalog() -> Catalog:
    """Four sizes: two small ones with hyper-threading, one large without, one with eight GPUs."""
    rows = [
        ("Standard_F2s_v2", 2, 2, 4.0, 0),
        ("Standard_D4s_v5", 4, 2, 16.0, 0),
        ("Standard_HB120rs_v3", 120, 1, 448.0, 0),
        ("Standard_ND96asr_v4", 96, 1, 900.0, 8),
        ("Standard_ND96isr_MI300X_v5", 96, 1, 1850.0, 8),
        ("Standard_B1ls", 1, 1, 0.5, 0),
    ]
    return Catalog(Size(name, vcpus, per_core, memory, gpus, {}) for name, vcpus, per_core, memory, gpus in rows)
