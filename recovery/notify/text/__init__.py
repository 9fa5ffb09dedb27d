"""What notifications say, in each format. Tested in tests/recovery/notify/."""
