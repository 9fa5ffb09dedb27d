"""What is recorded of an execution, and its comparison with Temporal.

Tested in tests/recovery/history/ and tests/storage/test_history.py.
"""
