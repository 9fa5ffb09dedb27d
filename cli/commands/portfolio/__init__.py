"""The commands for many plans at once.

Tested in tests/cli/commands/portfolio/ and tests/end_to_end/test_portfolios.py.
"""
