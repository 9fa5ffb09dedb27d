"""Temporal's Schedules of registered plans: created, changed, paused and removed.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
