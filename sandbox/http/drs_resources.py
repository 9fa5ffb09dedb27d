"""Finds the DRS resources of a request, and the source servers of its jobs and instances."""

from __future__ import annotations

import re
from dataclasses import replace

from sandbox.drs import drs_backends
from sandbox.http.aws_call import Call

_RESOURCE = re.compile(r"\b(?:s|i|lt|drsjob)-[0-9a-zA-Z]{17}\b")

# Those whose requests name source servers, jobs, recovery instances or launch templates.
_SERVICES = ("drs", "ec2", "ssm")


def with_drs_resources(call: Call) -> Call:
    """Return a call with its resource IDs, and with the tags of its jobs in its text.

    DescribeJobs requests contain job IDs but no server IDs and no tags, and
    TerminateRecoveryInstances requests contain instance IDs only, those for launch templates their
    IDs. This adds the rest.
    """
    if call.service not in _SERVICES:
        return call
    named = dict.fromkeys(_RESOURCE.findall(call.text))
    tags: list[str] = []
    # A lookup by index in moto's BackendDict would create the backend.
    account = drs_backends.get(call.account_id)
    if account and (backend := account.get(call.region)):
        for resource_id in list(named):
            if job := backend.jobs.get(resource_id):
                named.update(dict.fromkeys(each.source_server_id for each in job.participants))
                tags += job.tags.values()
            if instance := backend.recovery_instances.get(resource_id):
                named[instance.source_server.source_server_id] = None
            if server := backend.template_servers.get(resource_id):
                named[server.source_server_id] = None
    text = "\n".join((call.text, *named, *tags))
    return replace(call, resource_ids=tuple(named), text=text)
