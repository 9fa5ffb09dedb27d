"""Looks at what a plan needs: readers of the evidence of each subject. They change nothing.

Tested in tests/activities/readiness/.
"""
