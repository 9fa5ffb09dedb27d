"""What the watchdog makes of what it sees, and what it sends of that.

Tested in tests/recovery/notify/watchdog/.
"""
