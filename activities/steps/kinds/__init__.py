"""The kinds of steps that act, one module each.

Tested in tests/activities/steps/kinds/.
"""
