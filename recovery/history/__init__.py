"""The record of an execution, and how it is compared with Temporal's.

Tested in tests/recovery/history/ and tests/storage/test_history.py.
"""
