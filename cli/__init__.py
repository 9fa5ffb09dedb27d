"""Shows: the command line, its live view and its pictures."""
