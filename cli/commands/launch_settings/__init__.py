"""`launch-settings`: what DRS and EC2 have for launches, against what a plan wants.

Tested in tests/end_to_end/test_launch_settings.py.
"""
