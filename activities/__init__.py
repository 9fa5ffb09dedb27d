"""Activities: the only code that calls DRS, DynamoDB and STS for workflows.

Tested in tests/activities/ and tests/end_to_end/.
"""
