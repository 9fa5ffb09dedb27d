"""What crosses Temporal about launch settings: comparing and applying them, drills' leases.

Tested in tests/end_to_end/test_launch_settings.py, tests/workflows/ and
tests/activities/isolation/.
"""
