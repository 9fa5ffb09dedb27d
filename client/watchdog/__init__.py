"""The watchdog, which needs neither Temporal nor a worker.

Tested in tests/end_to_end/test_watchdog.py.
"""
