"""Steps on the pages: in lists, as questions to operators and in dialogs.

Tested in tests/api/pages/steps/ and tests/end_to_end/pages/test_steps.py.
"""
