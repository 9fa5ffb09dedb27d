"""The report of a portfolio. Tested in tests/recovery/report/portfolio/test_portfolio_report.py."""
