"""Reports and action items on the command line.

Tested in tests/cli/test_reports.py and tests/end_to_end/test_reports.py.
"""
