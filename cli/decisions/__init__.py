"""`drs-waves decisions`: all open decisions.

Tested in tests/cli/decisions/ and tests/cli/commands/test_operator_commands.py.
"""
