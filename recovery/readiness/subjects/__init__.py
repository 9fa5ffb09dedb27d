"""One module a subject: its evidence, the kinds of its findings, and the judgement.

Tested in tests/recovery/readiness/subjects/ and tests/activities/readiness/.
"""
