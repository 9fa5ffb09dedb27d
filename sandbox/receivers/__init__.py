"""Receivers of notifications: web hook, chat, pager, mail, and a queue behind SNS and EventBridge.

Tested in tests/sandbox/test_receivers.py.
"""
