"""Tests of recovery/report/portfolio/."""
