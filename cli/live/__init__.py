"""The live view of an execution. Tested in tests/cli/live/."""
