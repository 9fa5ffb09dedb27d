"""Generates drills: their plans, what AWS does, faults, actions and what the operator answers."""
