"""Recovered servers after their launch: EC2 instances and the applications on them.

Tested in tests/sandbox/recovered/.
"""
