"""A file a command. Tested in tests/cli/commands/ and tests/cli/test_errors.py."""
