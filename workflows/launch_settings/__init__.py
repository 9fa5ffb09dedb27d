"""Applying launch settings.

Tested in tests/end_to_end/test_launch_settings.py.
"""
