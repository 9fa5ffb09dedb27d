"""Signatures: adapters around `cryptography` and KMS.

Tested in tests/security/.
"""
