"""What the command line does with executions: on Temporal itself, or through the API.

`chosen` decides once for all commands. Tested in tests/client/remote/ and tests/cli/.
"""
