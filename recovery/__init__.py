"""The domain in plain Python, without Temporal and AWS. Tested in tests/recovery/."""
