"""Plan files: read and checked; a refused file gets all its problems at once.

Tested in tests/recovery/plan/file/.
"""
