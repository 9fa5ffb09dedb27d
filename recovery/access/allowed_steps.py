"""What steps use beside recovery instances, and whether the allow-list of a worker names it."""

import re
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict

from recovery.base_model import Model, StrictModel, matching
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
from recovery.text_format import visible

# Without [ and ], which have a meaning in globs.
_Glob = Annotated[
    str,
    matching(
        r"[^\x00-\x20\x7f\[\]]{1,2048}",
        "a value as steps have it, or a glob with * or ?, without spaces or []",
    ),
]
_HostGlob = Annotated[
    str, matching(r"[A-Za-z0-9._:*?-]{1,253}", "a host or address without a port, or a glob")
]
_Globs = tuple[_Glob, ...]
# What is written otherwise is not read alike by all that read URLs.
_PLAIN_HOST = re.compile(r"[a-z0-9._:-]+")


class UseKind(StrEnum):
    """What a step may use; each kind is an attribute of `AllowedSteps`."""

    DOCUMENT = "documents"
    FUNCTION = "functions"
    HOST = "hosts"
    HOSTED_ZONE = "hosted_zones"
    ROUTING_CONTROL = "routing_controls"
    TASK_QUEUE = "task_queues"


class StepUse(Model):
    """Something that a step uses.

    Attributes:
        name: as its plan names it.
        used_by: which steps, for people.
    """

    kind: UseKind
    name: str
    used_by: str = ""


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
        routing_controls: the ARNs, of `RoutingControl`.
        task_queues: of `Workflow`.
    """

    model_config = ConfigDict(frozen=True)

    documents: _Globs = ()
    functions: _Globs = ()
    hosts: tuple[_HostGlob, ...] = ()
    hosted_zones: _Globs = ()
    routing_controls: _Globs = ()
    task_queues: _Globs = ()

    def allow(self, use: StepUse) -> bool:
        """Whether a step may use it."""
        if use.kind is UseKind.HOST:
            return self.allow_host(use.name)
        globs: _Globs = getattr(self, use.kind)
        return any(fnmatchcase(use.name, glob) for glob in globs)

    def allow_host(self, host: str) -> bool:
        """Whether a host may be called, such as one that a redirect leads to."""
        host = _plain(host)
        is_plain = _PLAIN_HOST.fullmatch(host) is not None
        return is_plain and any(fnmatchcase(host, _plain(glob)) for glob in self.hosts)

    def refusals(self, uses: Iterable[StepUse], source: str) -> list[str]:
        """Why steps may not run, and what to do: a text for each use that is not named.

        Args:
            uses: what they use, without references.
            source: the file or the setting of the allow-list.
        """
        return [self._refusal(each, source) for each in uses if not self.allow(each)]

    def _refusal(self, use: StepUse, source: str) -> str:
        key = type(self).model_fields[use.kind].alias
        used_by = f" ({use.used_by})" if use.used_by else ""
        return (
            f"{visible(use.name)}{used_by} is not on the worker's allow-list ({source}), so "
            f"nothing was called. Correct the plan; or add it to Steps: {{{key}: [...]}} of the "
            "list, and restart every worker"
        )


def uses_of(spec: KindModel, own_addresses: Collection[str] = ()) -> Iterator[StepUse]:
    """What a step uses; a host that a reference gives is known only without the reference.

    Args:
        spec: of its kind.
        own_addresses: of recovery instances, which need no entry.
    """
    match spec:
        case SsmAutomation() | SsmCommand():
            yield StepUse(kind=UseKind.DOCUMENT, name=spec.document)
        case Lambda():
            yield StepUse(kind=UseKind.FUNCTION, name=spec.function_name)
        case Http():
            yield _host_of(spec.url)
        case RoutingControl():
            yield StepUse(kind=UseKind.ROUTING_CONTROL, name=spec.routing_control_arn)
            for url in spec.cluster_endpoints.values():
                yield _host_of(url)
        case Route53Record():
            yield StepUse(kind=UseKind.HOSTED_ZONE, name=spec.zone_id)
        case Workflow():
            yield StepUse(kind=UseKind.TASK_QUEUE, name=spec.task_queue)
        case Tcp() | HttpGet() if spec.host is not None and spec.host not in own_addresses:
            yield StepUse(kind=UseKind.HOST, name=_plain(spec.host))
        case Dns() if spec.resolver is not None:
            is_address = spec.resolver.count(":") > 1 and not spec.resolver.startswith("[")
            yield _host_of(f"//[{spec.resolver}]" if is_address else f"//{spec.resolver}")


def _host_of(url: str) -> StepUse:
    """The host of a URL; the URL itself, which is no plain host, if it cannot be read."""
    try:
        host = urlsplit(url).hostname or url
    except ValueError:
        host = url
    return StepUse(kind=UseKind.HOST, name=_plain(host))


def _plain(host: str) -> str:
    return host.strip("[]").removesuffix(".").lower()
