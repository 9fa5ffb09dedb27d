"""DynamoDB: the tables of the history and of registered plans. Tested in tests/storage/."""
