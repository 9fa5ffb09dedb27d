"""What scheduled drills need to know, and where they are recorded.

Tested in tests/end_to_end/test_scheduled_drills.py.
"""
