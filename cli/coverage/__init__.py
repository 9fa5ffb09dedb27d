"""The command `coverage`.

Tested in tests/cli/coverage/.
"""
