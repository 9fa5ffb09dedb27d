"""Looks at whether plans could be recovered now; nothing is launched.

Tested in tests/workflows/readiness/.
"""
