"""The command line and its live view. Tested in tests/cli/."""
