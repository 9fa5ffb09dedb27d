"""Scheduled drills: when they start, why one does not, and what became of each.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
