"""What Temporal's Schedules of registered plans start.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
