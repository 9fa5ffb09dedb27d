"""Applying launch settings.

Tested in tests/workflows/test_launch_settings.py.
"""
