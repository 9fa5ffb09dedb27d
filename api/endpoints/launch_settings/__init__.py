"""Launch settings of plans.

Tested in tests/end_to_end/test_launch_settings.py and tests/end_to_end/test_remote.py.
"""
