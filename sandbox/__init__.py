"""A local AWS and Temporal. Tested in tests/sandbox/."""
