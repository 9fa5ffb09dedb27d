"""The command `schedule`.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
