"""`readiness`: which plans could be recovered now.

Tested in tests/end_to_end/test_readiness.py.
"""
