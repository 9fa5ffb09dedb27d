"""Random drills against a seeded adversary, judged from outside by the local AWS's own ledger."""
