"""The commands that register plans."""
