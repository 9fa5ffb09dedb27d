"""Calls AWS: sessions, kinds of errors, targets, quotas.

Tested in tests/aws/ and tests/activities/test_targets.py.
"""
