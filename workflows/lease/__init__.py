"""The workflows of a drill's lease. Tested in tests/end_to_end/test_isolation.py."""
