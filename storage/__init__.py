"""DynamoDB: the tables of the history, of registered plans and of rate limits.

Tested in tests/storage/.
"""
