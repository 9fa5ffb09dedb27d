"""The workflows of a drill's lease. Tested in tests/workflows/test_lease.py."""
