"""The page of all plans and executions. Tested in tests/end_to_end/pages/test_watching.py."""
