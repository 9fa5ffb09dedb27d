"""Temporal's Schedules of registered plans, and what the workflows that they start are given.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
