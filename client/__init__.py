"""Functions for the command line, the API and the pages: connect, start, steer, list.

Tested in tests/client/, tests/cli/ and tests/end_to_end/.
"""
