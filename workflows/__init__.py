"""Decides over time; only workflow code. Tested in tests/workflows/ and tests/end_to_end/."""
