"""Comparing and applying launch settings: inputs, requests and results.

Tested in tests/end_to_end/test_launch_settings.py.
"""
