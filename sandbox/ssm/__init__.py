"""Commands, automations and their documents in moto's SSM. Tested in tests/sandbox/ssm/."""
