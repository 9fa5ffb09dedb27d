"""Runs steps: starts, watches and stops those that act, tries those that check.

Tested in tests/activities/steps/.
"""
