"""Holds users and roles to their policies; tested as a whole in tests/sandbox/iam/."""
