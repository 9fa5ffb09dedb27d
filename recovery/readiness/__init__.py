"""What is known of a plan before it is started: findings judged from evidence. Pure.

Tested in tests/recovery/readiness/, tests/storage/test_readiness.py and
tests/recovery/operator/test_findings.py.
"""
