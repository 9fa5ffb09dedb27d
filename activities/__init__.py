"""What the workflows have done: DRS, DynamoDB and STS are only reached from here.

Tested in tests/activities/ and tests/end_to_end/.
"""
