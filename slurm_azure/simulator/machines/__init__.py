"""What stands behind a VM: `none` (timings only) or a machine that really boots."""
