"""Measures the makespan of plans, compared with simpler launch methods."""
