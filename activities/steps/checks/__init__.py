"""The kinds of steps that check, one module each.

Tested in tests/activities/steps/checks/.
"""
