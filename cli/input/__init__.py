"""What people type: durations, plans, confirmations.

Tested in tests/cli/input/ and tests/cli/test_errors.py.
"""
