"""The commands that send operators' messages, and the list of steps.

Tested in tests/cli/commands/test_operator_commands.py.
"""
