"""Compares launch settings, and applies them, through a worker.

Tested in tests/end_to_end/test_launch_settings.py.
"""
