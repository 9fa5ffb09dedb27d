"""Measurements and adversaries on the local stack; each prints its figures."""
