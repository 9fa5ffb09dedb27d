"""Comparing and applying launch settings: inputs, requests and results.

Tested in tests/workflows/test_launch_settings.py.
"""
