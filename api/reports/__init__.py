"""Reports and action items: their endpoints, and their part of an execution's page.

Tested in tests/end_to_end/test_reports.py and tests/end_to_end/pages/test_reports.py.
"""
