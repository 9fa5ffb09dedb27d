"""Reads what the operator enters: durations, confirmations, completions.

Tested in tests/cli/input/ and tests/cli/test_errors.py.
"""
