"""Sends notifications.

Tested in tests/activities/notify/.
"""
