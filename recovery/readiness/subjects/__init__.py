"""One module a subject: its evidence, the kinds of its findings, and the judgement."""
