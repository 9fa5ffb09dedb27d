"""Steps: what runs around a launch.

Tested in tests/recovery/steps/ and tests/recovery/plan/file/test_steps.py.
"""
