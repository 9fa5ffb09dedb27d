"""`drs-waves sandbox`: the local stack. Tested in tests/cli/sandbox/ and tests/sandbox/."""
