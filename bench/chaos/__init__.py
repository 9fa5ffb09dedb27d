"""Chaos test: random drills with seeded faults, checked against the ledger of the local AWS."""
