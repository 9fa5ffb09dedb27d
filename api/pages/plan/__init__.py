"""The page of a plan, the dialogs that start it, and its editor.

Tested in tests/api/pages/plan/ and tests/end_to_end/pages/test_plan.py.
"""
