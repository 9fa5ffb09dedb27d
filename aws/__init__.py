"""Calls AWS: sessions, kinds of errors, targets, quotas.

Tested in tests/aws/, tests/activities/test_targets.py and tests/activities/steps/.
"""
