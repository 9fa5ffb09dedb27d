"""Looks at plans before their start, and what is recorded of registered ones.

Tested in tests/client/ and tests/end_to_end/.
"""
