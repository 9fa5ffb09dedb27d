"""Who may do what. Tested in tests/recovery/access/."""
