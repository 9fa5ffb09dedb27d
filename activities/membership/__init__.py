"""The servers that a plan names by tags."""
