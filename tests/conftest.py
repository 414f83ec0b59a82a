"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine with other work to do is slow now and then; that is no property of the code. `timeout` bounds what hangs.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
