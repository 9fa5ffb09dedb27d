"""Operators' messages: what is allowed when, and their effects.

Tested in tests/recovery/operator/.
"""
