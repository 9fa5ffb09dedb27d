"""Shows: the command line, its live view and its pictures. Tested in tests/cli/."""
