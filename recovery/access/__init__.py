"""Who may do what: signed requests, and what an act must satisfy to belong to one.

Tested in tests/recovery/access/.
"""
