"""Sessions and calls to AWS: one session a role, typed errors instead of botocore's.

Credentials, endpoints and proxies come from AWS's own environment and files. Whatever these say,
STS is called in the target's Region, and no endpoint of another Region is called.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache, partial
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader, create_loader

from aws.errors import AwsError
from aws.regions import region_in
from aws.responses import reject_unproven
from recovery.plan.model import Target

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 25
# More than DRS's quota of jobs in progress, each of which calls AWS once at a time.
_THREADS = 32


@cache
def _service_models(data_path: str | None) -> Loader:
    """botocore's service models, which each session would otherwise load again (megabytes)."""
    return create_loader(data_path)


class _Session(botocore.session.Session):
    """A session that ignores configured endpoints of other Regions, and the global one of STS.

    The clients that its credentials need are made here too.
    """

    def create_client(self, service_name: Any, *args: Any, **kwargs: Any) -> Any:
        client: Any = super().create_client(service_name, *args, **kwargs)
        if _is_elsewhere(client.meta.endpoint_url, client.meta.region_name):
            regional = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]
            config = kwargs.get("config")
            kwargs["config"] = config.merge(regional) if config else regional
            client = super().create_client(service_name, *args, **kwargs)
        return client


def _is_elsewhere(url: str, region: str | None) -> bool:
    host = urlsplit(url).hostname or ""
    return region_in(host) not in (region, None) or host.startswith("sts.amazonaws.")


def client_config(*, retries: bool = True) -> Config:
    """The timeouts and retries of clients.

    Args:
        retries: whether botocore may repeat a call by itself.
    """
    attempts = {"mode": "standard", "total_max_attempts": 3 if retries else 1}
    return Config(
        retries=cast(Any, attempts),
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=50,
        tcp_keepalive=True,
    )


def checked_session(
    *, source: botocore.session.Session | None = None, region_name: str | None = None
) -> boto3.Session:
    """A boto3 session whose clients reject responses that are incomplete or not AWS's.

    The clients that resolve its credentials have the same timeouts as all others.
    """
    source = source or _Session()
    source.set_default_client_config(client_config())
    source.set_config_variable("sts_regional_endpoints", "regional")
    session = boto3.Session(botocore_session=source, region_name=region_name)
    models = _service_models(source.get_config_variable("data_path"))
    source.register_component("data_loader", models)
    session.events.register("before-parse", reject_unproven)
    return session


class AwsSessions:
    """One boto3 session per role, one client per service and Region, shared by all activities."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str | None, str], boto3.Session] = {}
        self._clients: dict[tuple[Target, str, bool], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, target: Target, *, retries: bool = True) -> Any:
        """A client that acts in `target`.

        Args:
            service: boto3's name of the service.
            target: where to act.
            retries: whether botocore may repeat a call by itself.
        """
        where = target.model_copy(update={"account_id": None})
        with self._lock:
            key = (where, service, retries)
            if key not in self._clients:
                session = self._session(where)
                self._clients[key] = session.client(
                    cast(Any, service),
                    region_name=where.region,
                    config=client_config(retries=retries),
                )
            return self._clients[key]

    def _session(self, target: Target) -> boto3.Session:
        role = target.role_arn
        key = (role, target.region if role else "")
        if key not in self._sessions:
            base = checked_session(region_name=target.region)
            self._sessions[key] = _in_role(base, role, target.region) if role else base
        return self._sessions[key]


def _in_role(base: boto3.Session, role_arn: str, region: str) -> boto3.Session:
    """A session that acts in a role, with credentials that renew themselves."""
    source = _Session()

    def create_client(service: str, **kwargs: Any) -> Any:
        kwargs.update(region_name=region)
        return base.client(cast(Any, service), **kwargs)

    credentials = base.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        create_client,
        credentials,
        role_arn,
        extra_args={"RoleSessionName": "drs-waves"},
    )
    renewing = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    source._credentials = renewing  # type: ignore[attr-defined]
    return checked_session(source=source, region_name=region)


def call_threads(name: str) -> ThreadPoolExecutor:
    """A pool of threads for calls that must not wait for other calls, which may hang."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=name)


async def call(
    threads: Executor, operation: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call boto3 in a thread of a pool.

    Raises:
        AwsError: the call failed.
    """
    try:
        work = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except AwsError:
        raise
    except Exception as error:
        raise AwsError.of(error, operation) from error


async def pages(
    threads: Executor, operation: str, client: Any, /, **request: Any
) -> AsyncIterator[dict[str, Any]]:
    """The pages of an operation such as DescribeJobs, each read in a thread when it is needed.

    Raises:
        AwsError: a page could not be read.
    """
    paginator = client.get_paginator(xform_name(operation))
    iterator = iter(paginator.paginate(**request))
    while (page := await call(threads, operation, next, iterator, None)) is not None:
        yield page
