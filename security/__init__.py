"""Signatures and the audit log: adapters around `cryptography`, KMS and files.

Tested in tests/security/.
"""
