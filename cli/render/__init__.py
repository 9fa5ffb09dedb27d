"""Prints tables, graphs, records and summaries.

Tested in tests/cli/render/ and tests/cli/commands/.
"""
