"""Tests of recovery/report/."""
