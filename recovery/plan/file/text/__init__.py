"""The text of plan files, YAML or JSON, read into values with line numbers.

Tested in tests/recovery/plan/file/.
"""
