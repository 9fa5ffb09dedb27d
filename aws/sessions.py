"""Sessions and calls to AWS: one session a role, typed errors instead of botocore's.

Credentials, endpoints and proxies come from AWS's own environment and files. Whatever these say,
STS is called in the target's Region, and no endpoint of another Region is called.
"""

import asyncio
import gzip
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from ssl import SSLContext
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.httpsession import create_urllib3_context
from botocore.loaders import JSONFileLoader, Loader, create_loader
from botocore.utils import parse_timestamp

from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.regions import region_in
from aws.responses import reject_unproven
from aws.role_credentials import TargetCredentials, choose_role
from recovery.access.allow_list import AllowList
from recovery.plan.model import Target
from recovery.plan.target_roles import TargetRole, TargetRoles

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 25
# AssumeRole, for which all calls of an execution wait, takes less than a second.
ASSUME_TIMEOUT_SECONDS = 5
# More than DRS's quota of jobs in progress, each of which calls AWS once at a time.
_CALLS_AT_ONCE = 32
# More than all targets need; a thread is started when none is idle.
_threads = ThreadPoolExecutor(20_000, thread_name_prefix="aws")
MOST_TARGETS = 200
"""Of this many accounts and Regions a worker keeps sessions, threads and pollers."""
# A client has some 0.3 MB; a target in use has about ten.
_MOST_CLIENTS = 1000


# The methods of clients' classes, by service and name.
_methods: dict[tuple[str, str], Any] = {}


class _ModelFiles(JSONFileLoader):
    """Reads service models into plain dicts and without documentation: half of the memory."""

    def load_file(self, file_path: str) -> Any:
        for suffix, open_file in ((".json", open), (".json.gz", gzip.open)):
            if (path := Path(file_path + suffix)).is_file():
                with open_file(path, "rb") as file:
                    return json.load(file, object_hook=_without_documentation)
        return None


def _without_documentation(value: dict[str, Any]) -> dict[str, Any]:
    # Not a member of this name, which is a dict.
    if isinstance(value.get("documentation"), str):
        del value["documentation"]
    return value


@cache
def _service_models(data_path: str | None) -> Loader:
    """botocore's service models, which each session would otherwise load again (megabytes)."""
    models = create_loader(data_path)
    models.file_loader = _ModelFiles()
    return models


def _share_methods(class_attributes: dict[str, Any], event_name: str, **_: object) -> None:
    """Called by botocore for the class of each client, which has 800 methods for EC2 (1 MB).

    A method knows only the name of its operation, so that one serves all clients of a service.
    """
    for name, method in class_attributes.items():
        class_attributes[name] = _methods.setdefault((event_name, name), method)


@cache
def _tls_context(ca_bundle: str | None) -> SSLContext:
    """The TLS settings of all clients; each would keep the certificates of all CAs (0.4 MB)."""
    context: SSLContext = create_urllib3_context()
    return context


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
        # Of all operations (0.3 MB for EC2), made for the methods; those of calls are made again.
        client.meta.service_model._instance_cache.clear()
        # botocore has no setting for it.
        pools = client._endpoint.http_session._manager.connection_pool_kw
        pools["ssl_context"] = _tls_context(self.get_config_variable("ca_bundle"))
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


def _timestamp(value: Any) -> datetime:
    """A time of a response; botocore's own parser takes a third of the time of a long list."""
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)
    return parsed if parsed.tzinfo else parse_timestamp(value)


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
    source.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    session.events.register("before-parse", reject_unproven)
    session.events.register_last("creating-client-class", _share_methods)
    return session


class Endpoint(NamedTuple):
    """An endpoint of a service that is not the target's Region's.

    Attributes:
        address: of its host, which is connected to; a proxy, where there is one, resolves the name.
    """

    region: str
    url: str
    address: str


class AwsSessions:
    """One boto3 session per target, one client per service and Region, shared by all activities.

    A client signs each call with the target's role for it.

    The only way to a target, and only to those that the worker's allow-list has: it is checked
    before the role is assumed. Sessions and clients that are unused for longest are dropped.
    """

    def __init__(self, allow_list: AllowList | None = None) -> None:
        """Prepare; without an allow-list every target is allowed."""
        self._allow_list = allow_list
        # The worker's own credentials are resolved in each Region, for another may be lost.
        self._own_sessions = lru_cache(MOST_TARGETS)(_own_session)
        self._sts = lru_cache(MOST_TARGETS)(self._make_sts)
        self._role_sessions = lru_cache(MOST_TARGETS)(self._make_role_session)
        self._roles = WeakValueDictionary[Target, TargetCredentials]()
        self._clients = lru_cache(_MOST_CLIENTS)(self._make_client)
        self._accounts: dict[Target, str] = {}
        self._own_account_id: str | None = None
        self._lock = threading.Lock()

    def client(
        self,
        service: str,
        target: Target,
        *,
        retries: bool = True,
        read_seconds: int = READ_TIMEOUT_SECONDS,
        endpoint: Endpoint | None = None,
    ) -> Any:
        """A client that acts in `target`.

        Args:
            service: boto3's name of the service.
            target: where to act.
            retries: whether botocore may repeat a call by itself.
            read_seconds: how long to wait for an answer.
            endpoint: called with the target's role; default: that of the target's Region.

        Raises:
            TargetRefusedError: the allow-list does not have the target; nothing was called there.
            AwsError: the worker's own account, by which the allow-list decides, is not known.
        """
        where = _without_account(target)
        roles = self.roles_of(where)
        with self._lock:
            return self._clients(
                service,
                where,
                roles,
                retries=retries,
                read_seconds=read_seconds,
                endpoint=endpoint,
            )

    def account_id(self, target: Target) -> str:
        """The account that calls in a target act in, by STS; looked up once.

        Raises:
            TargetRefusedError: the allow-list does not have the target.
        """
        where = _without_account(target)
        if where not in self._accounts:
            response = self.client("sts", where).get_caller_identity()
            self._accounts[where] = str(response.get("Account", ""))
        return self._accounts[where]

    def known_account(self, target: Target) -> str | None:
        """The account that calls in a target act in; None if nothing has asked for it yet."""
        return target.role_account_id or self._accounts.get(_without_account(target))

    def warnings(self, target: Target) -> list[str]:
        """What the sessions in a target go on without."""
        credentials = self._roles.get(_without_account(target))
        return credentials.warnings if credentials else []

    def assume(self, target: Target, role: TargetRole) -> None:
        """Assume a role of a target, as a call that is made with it would.

        Raises:
            TargetRefusedError: the allow-list does not have the target.
        """
        where = _without_account(target)
        if roles := self.roles_of(where):
            with self._lock:
                session = self._role_sessions(where, roles)
            cast(TargetCredentials, session.get_credentials()).of(role).get_frozen_credentials()

    def roles_of(self, target: Target) -> TargetRoles | None:
        """The roles in a target, by the allow-list; None for the worker's own credentials.

        Raises:
            TargetRefusedError: the allow-list does not have the target.
            AwsError: the worker's own account, by which the allow-list decides, is not known.
        """
        where, role_arn = _without_account(target), target.role_arn
        if self._allow_list is None:
            return TargetRoles(role_arn, role_arn, role_arn) if role_arn else None
        entry = self._allow_list.entry_of(where, partial(self._look_up_own_account, where))
        if entry is None:
            account_id = where.role_account_id or self._own_account_id
            refusal = self._allow_list.refusal(where, account_id)
            raise TargetRefusedError(AwsErrorKind.NOT_ALLOWED, refusal)
        return entry.roles_of(role_arn) if role_arn else None

    def _look_up_own_account(self, where: Target) -> str:
        """The account of the worker's own credentials, which are the same in each Region."""
        if self._own_account_id is None:
            with self._lock:
                # Not one of the clients, which only allowed targets have.
                session = self._own_sessions(where.region)
                sts = session.client("sts", config=client_config())
            try:
                self._own_account_id = str(sts.get_caller_identity().get("Account", ""))
            except Exception as error:
                raise AwsError.of(error, "GetCallerIdentity") from AwsError.cause(error)
        return self._own_account_id

    def _make_client(
        self,
        service: str,
        where: Target,
        roles: TargetRoles | None,
        *,
        retries: bool,
        read_seconds: int,
        endpoint: Endpoint | None,
    ) -> Any:
        session = self._role_sessions(where, roles) if roles else self._own_sessions(where.region)
        config = client_config(retries=retries).merge(Config(read_timeout=read_seconds))
        region, url = (endpoint.region, endpoint.url) if endpoint else (where.region, None)
        client = session.client(
            cast(Any, service), region_name=region, endpoint_url=url, config=config
        )
        if endpoint is not None:
            _connect_to(endpoint.address, client)
        return client

    def _make_sts(self, region: str) -> Any:
        """A client of STS with the worker's own credentials, to assume a Region's roles."""
        config = client_config().merge(Config(read_timeout=ASSUME_TIMEOUT_SECONDS))
        return self._own_sessions(region).client("sts", config=config)

    def _make_role_session(self, where: Target, roles: TargetRoles) -> boto3.Session:
        credentials = TargetCredentials(self._sts(where.region), roles)
        self._roles[where] = credentials
        source = _Session()
        source._credentials = credentials  # type: ignore[attr-defined]
        session = checked_session(source=source, region_name=where.region)
        # First: none after a handler that chooses a signer would be called.
        session.events.register_first("choose-signer", choose_role)
        return session


class OwnClients:
    """Clients with the worker's own credentials, for what is no target: channels and secrets.

    botocore does not repeat their calls: who calls them has little time, and tries again later.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None) -> Any:
        """A client; `region` None: AWS's own region setting."""
        key = (service, region)
        with self._lock:
            if key not in self._clients:
                session = checked_session(region_name=region)
                config = client_config(retries=False).merge(Config(read_timeout=5))
                self._clients[key] = session.client(cast(Any, service), config=config)
            return self._clients[key]


def kms_client(key: str) -> Any:
    """A client of KMS with the worker's own credentials, by the Region that the key's ARN names."""
    region = key.split(":")[3] if key.startswith("arn:") else None
    return checked_session(region_name=region).client("kms", config=client_config())


def _connect_to(address: str, client: Any) -> None:
    """Connect a client to an address that was checked, whatever its host's name resolves to later.

    The certificate is still that of the name.
    """
    # botocore has no setting for it.
    manager = client._endpoint.http_session._manager
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {name: _pinned(pool, address) for name, pool in pools.items()}


def _pinned(pool: Any, address: str) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        _dns_host: str

        def _new_conn(self) -> Any:
            # urllib3 looks up this name, and `host` is the same.
            name, self._dns_host = self._dns_host, address
            try:
                return super()._new_conn()
            finally:
                self._dns_host = name

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _without_account(target: Target) -> Target:
    return target.model_copy(update={"account_id": None})


def _own_session(region: str) -> boto3.Session:
    return checked_session(region_name=region)


class CallThreads(Executor):
    """Runs so many calls at once; further ones wait for these, and for no other calls.

    The threads are all the worker's, so that what is idle here serves there.
    """

    def __init__(self, most: int = _CALLS_AT_ONCE) -> None:
        self._most = most
        self._running = 0
        self._waiting = deque[tuple[Future[Any], Callable[[], Any]]]()
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function as soon as fewer than the most calls run."""
        future = Future[Any]()
        with self._lock:
            self._waiting.append((future, partial(fn, *args, **kwargs)))
            if self._running == self._most:
                return future
            self._running += 1
        _threads.submit(self._run_waiting)
        return future

    def _run_waiting(self) -> None:
        """Make calls one after another until none waits."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                future, make_call = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(make_call())
                except BaseException as error:
                    future.set_exception(error)
            # Else the result would be kept as long as no other call comes.
            del future, make_call


def threads_by_target() -> Callable[[Target], CallThreads]:
    """The threads of each target, so that none waits for another."""
    return lru_cache(MOST_TARGETS)(lambda _: CallThreads())


async def call(
    threads: Executor, operation: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call boto3 in a thread of a pool, for whom the caller acts.

    Raises:
        AwsError: the call failed.
    """
    try:
        work = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except AwsError:
        raise
    except Exception as error:
        raise AwsError.of(error, operation) from AwsError.cause(error)


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
