"""Notifications: what is reported to whom, when, and in which words.

Tested in tests/recovery/notify/.
"""
