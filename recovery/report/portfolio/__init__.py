"""The report of a portfolio, made of the reports of its plans. Pure."""
