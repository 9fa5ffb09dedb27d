"""The page of one execution. Tested in tests/api/pages/execution/ and tests/end_to_end/pages/."""
