"""Reads what registered plans and their drills leave uncovered.

Tested in tests/activities/coverage/.
"""
