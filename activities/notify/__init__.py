"""Sends notifications, to each kind of channel in a module.

Tested in tests/activities/notify/.
"""
