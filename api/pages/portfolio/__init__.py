"""The page of a portfolio. Tested in tests/api/pages/portfolio/."""
