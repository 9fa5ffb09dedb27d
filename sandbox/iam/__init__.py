"""IAM: what callers may do by their policies."""
