"""A simulated Azure: as much of it as the unchanged production code needs, with machines that really boot.

Nothing is imported here, so that asking for the package costs nothing; `serve.py` is the way in.
"""
