"""What steps may use, by the allow-list of a worker."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict

from recovery.base_model import StrictModel, matching
from recovery.steps.model import (
    Dns,
    Http,
    HttpGet,
    KindModel,
    Lambda,
    Route53Record,
    RoutingControl,
    SsmAutomation,
    SsmCommand,
    Tcp,
    Workflow,
)

_Glob = Annotated[
    str,
    matching(
        r"[^\s\[\]]{1,2048}",
        "a value as steps have it, or a glob with * or ?, without spaces or []",
    ),
]
_Globs = tuple[_Glob, ...]


class AllowedSteps(StrictModel):
    """What steps may use; what is not named is refused.

    A check of a wave's own recovery instances, of an alarm or of a target group needs no entry:
    targets decide about it.

    Attributes:
        documents: of `SsmAutomation` and `SsmCommand`, as the plans name them.
        functions: of `Lambda`, as the plans name them.
        hosts: of `Http`, of a `RoutingControl`'s endpoints, of `Tcp` and `HttpGet` with a `Host`,
            and of a `Dns` check's `Resolver`.
        hosted_zones: the IDs, of `Route53Record`.
        task_queues: of `Workflow`.
    """

    model_config = ConfigDict(frozen=True)

    documents: _Globs = ()
    functions: _Globs = ()
    hosts: _Globs = ()
    hosted_zones: _Globs = ()
    task_queues: _Globs = ()

    def allow_host(self, host: str) -> bool:
        """Whether a host may be called, such as one that a redirect leads to."""
        host = host.rstrip(".").lower()
        return any(fnmatchcase(host, glob.rstrip(".").lower()) for glob in self.hosts)

    def refusal(self, spec: KindModel, source: str) -> str | None:
        """Why a step may not run, and what to do; None if it may.

        Args:
            spec: the step's, without references.
            source: the file or the setting of the allow-list.
        """
        for key, value in _used(spec):
            globs: _Globs = getattr(self, key)
            allowed = (
                self.allow_host(value)
                if key == "hosts"
                else any(fnmatchcase(value, glob) for glob in globs)
            )
            if not allowed:
                name = type(self).model_fields[key].alias
                return (
                    f"{value} is not on the worker's allow-list ({source}), so nothing was "
                    f"called. Correct the plan; or add it to Steps: {{{name}: [...]}} of the list, "
                    "and restart every worker"
                )
        return None


def _used(spec: KindModel) -> Iterator[tuple[str, str]]:
    """What a step uses: the key of the allow-list, and the value."""
    match spec:
        case SsmAutomation() | SsmCommand():
            yield "documents", spec.document
        case Lambda():
            yield "functions", spec.function_name
        case Http():
            yield "hosts", _host(spec.url)
        case RoutingControl():
            for url in spec.cluster_endpoints.values():
                yield "hosts", _host(url)
        case Route53Record():
            yield "hosted_zones", spec.zone_id
        case Workflow():
            yield "task_queues", spec.task_queue
        case Tcp() | HttpGet() if spec.host is not None:
            yield "hosts", spec.host
        case Dns() if spec.resolver is not None:
            yield "hosts", _host(f"//{spec.resolver}")


def _host(url: str) -> str:
    """The host of a URL; the URL itself, which no glob of a host has, if it cannot be read."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
