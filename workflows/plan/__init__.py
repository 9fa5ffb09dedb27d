"""The plan's workflow. Tested in tests/workflows/test_plan_workflow.py and tests/end_to_end/."""
