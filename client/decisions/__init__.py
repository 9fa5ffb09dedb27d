"""The open decisions of all running executions.

Tested in tests/client/decisions/ and tests/cli/commands/test_operator_commands.py.
"""
