"""Plan files: read, checked, and refused with all problems at once.

Tested in tests/recovery/plan/file/.
"""
