"""What is printed: tables, graphs, records, summaries.

Tested in tests/cli/render/ and tests/cli/commands/.
"""
