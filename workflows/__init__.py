"""Workflows only. Tested in tests/workflows/ and tests/end_to_end/."""
