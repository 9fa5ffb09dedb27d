"""Our own settings, read from `DRS_WAVES_*`.

Temporal's connection comes from the `temporal` CLI's own profile and variables, AWS's from AWS's.
"""

import os
import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from recovery.access.roles import Role
from recovery.base_model import Model

AUDIT_TO_CLOUDWATCH = "cloudwatch:"
HEARTBEAT_TIMEOUT_SECONDS = 20.0
UNSETTLED_SECONDS = 40.0
"""How long after Temporal's confirmation of an attempt DRS may still accept its StartRecovery."""


def _without_token(given: Any) -> Any:
    if isinstance(given, dict) and "Token" in given:
        raise ValueError("Token is not accepted, only its Hash; `drs-waves token` makes both")
    return given


class StaticToken(Model):
    """A bearer token that does not change, for a laptop or a script.

    Attributes:
        hash: of the token (`security/static_tokens.py`).
    """

    hash: str = Field(pattern="^sha256:[0-9a-f]{64}$")
    roles: list[Role] = Field(min_length=1)

    _has_no_token = model_validator(mode="before")(_without_token)


def _networks(text: Any) -> Any:
    return [ip_network(part.strip()) for part in text.split(",")] if isinstance(text, str) else text


Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...] | None, NoDecode, BeforeValidator(_networks)
]


def _listed(text: Any) -> Any:
    return [part.strip() for part in text.split(",")] if isinstance(text, str) else text


Urls = Annotated[
    tuple[Annotated[str, Field(pattern=r"^https?://[^/?#]+/.+$")], ...] | None,
    NoDecode,
    BeforeValidator(_listed),
]
KMS_KEY = r"^(arn:aws[a-z-]*:kms:\S+|alias/\S+|(mrk-)?[0-9a-f-]{32,36})$"
KmsNames = Annotated[
    tuple[Annotated[str, Field(pattern=KMS_KEY)], ...] | None, NoDecode, BeforeValidator(_listed)
]


class Settings(BaseSettings):
    """All settings, each set as `DRS_WAVES_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="DRS_WAVES_",
        # Compose and Kubernetes set a variable without a value to "".
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # The text of an error is printed; runtime/setting_errors.py adds what may be.
        hide_input_in_errors=True,
    )

    history_table: str = Field(
        default="drs-waves-history",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table of the execution history.",
    )
    history_region: str | None = Field(
        default=None,
        description="Region of that table; default: AWS's own region setting. "
        "Use another Region than the one that may be lost.",
    )
    plan_table: str = Field(
        default="drs-waves-plans",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table of the registered plans, in the history's Region.",
    )
    limit_table: str = Field(
        default="drs-waves-limits",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table of the rate limits of `drs-waves serve`, in the history's "
        "Region.",
    )
    temporal_region: str | None = Field(
        default=None,
        description="Region that Temporal itself runs in; default: the one named in its address.",
    )
    dependency_regions: dict[str, str] | None = Field(
        default=None,
        description="Regions of what a recovery needs and whose address names none, as JSON: "
        '{"The API": "eu-central-1", "The workers": "eu-central-1"}. Readiness warns of what is '
        "in a Region that a plan recovers from.",
    )
    poll_seconds: float = Field(
        default=5.0,
        ge=1.0,
        le=300.0,
        description="Seconds between two polls of jobs; three times that while none is expected "
        "to end soon.",
    )
    absent_after_seconds: float = Field(
        default=60.0,
        ge=5.0,
        le=600.0,
        description="Seconds for which the job of an unanswered StartRecovery is searched before "
        "the call is sent again. Never scaled.",
    )
    drill_lease_seconds: float = Field(
        default=180.0,
        ge=15.0,
        le=900.0,
        description="Seconds that DRS has to accept the launch of an isolated drill, before the "
        "servers' earlier launch templates are restored. Never scaled.",
    )
    drill_margin_seconds: float = Field(
        default=30.0,
        ge=5.0,
        le=600.0,
        description="Seconds after a server's LAUNCH_START for which the drill's launch template "
        "version stays the default.",
    )
    heartbeat_timeout_seconds: float = Field(
        default=HEARTBEAT_TIMEOUT_SECONDS,
        ge=1.0,
        le=300.0,
        description="Seconds without a heartbeat after which an activity counts as lost and is "
        "retried. Never scaled; less than the default only with a sandbox on this machine.",
    )
    sticky_timeout_seconds: float = Field(
        default=10.0,
        ge=1.0,
        le=60.0,
        description="Seconds after which a workflow task goes to another worker if the one that "
        "has the workflow in memory does not take it.",
    )
    speed: float = Field(
        default=1.0,
        ge=1.0,
        le=10_000.0,
        description="Divides polls and deadlines, as a sandbox divides DRS's durations. "
        "Refused unless AWS's endpoint is on this machine.",
    )
    jobs_quota: int | None = Field(
        default=None,
        ge=1,
        description="DRS jobs in progress, per account and Region; default: as Service Quotas "
        "says, or else 20.",
    )
    servers_quota: int | None = Field(
        default=None,
        ge=1,
        description="Source servers in all DRS jobs, per account and Region; default: as Service "
        "Quotas says, or else 500.",
    )
    allow_list_file: str | None = Field(
        default=None,
        description="File with the targets that the worker may act in, and what its steps may "
        "use, YAML or JSON; read when the worker starts.",
    )
    allow_list: str | None = Field(
        default=None, description="The content of such a file, where there is none."
    )
    notify_file: str | None = Field(
        default=None,
        description="File with the channels that notifications go to, YAML or JSON; read when the "
        "worker starts.",
    )
    notify: str | None = Field(
        default=None, description="The content of such a file, where there is none."
    )
    freeze_file: str | None = Field(
        default=None,
        description="File with the times in which no scheduled drill starts, YAML or JSON: "
        "`Freeze: [{From, To, Reason}]`; read before each.",
    )
    temporal_ui: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Address of Temporal's Web UI, for links to it on our pages.",
    )
    api_host: str = Field(
        default="127.0.0.1",
        description="Address that `drs-waves serve` listens on. A public one needs "
        "authentication: API_TOKENS, or OIDC_ISSUER and OIDC_AUDIENCE.",
    )
    api_port: int = Field(default=8080, ge=1, le=65535, description="Port of `drs-waves serve`.")
    api_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Address of the pages and the API, such as https://drs.example.com: the "
        "command line then goes through the API instead of Temporal.",
    )
    api_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Bearer token for that API, instead of the one of `drs-waves login`.",
    )
    api_tokens: dict[str, StaticToken] | None = Field(
        default=None,
        repr=False,
        description='Static bearer tokens by subject: {"laptop": {"Hash": "sha256:…", "Roles": '
        '["operator"]}}. `drs-waves token` makes one.',
    )
    trusted_proxies: Networks = Field(
        default=None,
        description="Addresses or networks of the proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed, separated by commas.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Issuer (iss) whose JWTs are accepted as bearer tokens.",
    )
    oidc_audience: str | None = Field(
        default=None, description="Audience (aud) that those JWTs must have."
    )
    oidc_jwks_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="URL of the issuer's keys; default: from its discovery document.",
    )
    oidc_roles_claim: str = Field(
        default="roles",
        description="Claim with the roles viewer, operator, approver, admin; dots separate keys.",
    )
    oidc_client_id: str | None = Field(
        default=None,
        description="Client ID of the pages at the issuer: people sign in there.",
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Secret of that client, if it has one."
    )
    oidc_scopes: str = Field(
        default="openid",
        pattern=r"^(.* )?openid( .*)?$",
        description="Scopes that the pages ask for at the sign-in.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+/?$",
        description="Address under which people reach the pages, for sign-ins and for links in "
        "notifications.",
    )
    session_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret that all servers of the pages share: a sign-in that begins at one may "
        "end at another.",
    )
    oidc_cli_client_id: str | None = Field(
        default=None,
        description="Public client (no secret) of the issuer that `drs-waves login` signs in with.",
    )
    oidc_cli_scopes: str = Field(
        default="openid offline_access", description="Scopes that it asks for, with spaces."
    )
    signing_key: str | None = Field(
        default=None,
        # Somebody may set the key itself.
        repr=False,
        description="PEM file of the Ed25519 key that `drs-waves serve` signs requests with.",
    )
    signing_kms_key: str | None = Field(
        default=None,
        repr=False,
        pattern=r"^(arn:aws[a-z-]*:kms:\S+|alias/\S+|[0-9a-f-]{36})$",
        description="KMS key (ECC_NIST_P256) that it signs requests with instead.",
    )
    encryption_keys: str | None = Field(
        default=None,
        description="JSON file of the keys that payloads in Temporal are encrypted with, the same "
        "for workers, servers and command lines. `drs-waves encryption-key` makes one.",
    )
    encryption_kms_keys: KmsNames = Field(
        default=None,
        repr=False,
        description="KMS keys (symmetric) instead, separated by commas: the first encrypts, all "
        "decrypt.",
    )
    starts_a_minute: int = Field(
        default=10, ge=1, description="Executions that one subject may start within a minute."
    )
    require_signed_requests: bool = Field(
        default=False,
        description="The worker launches and terminates only what signed requests allow, and "
        "applies only signed messages.",
    )
    request_keys: str | None = Field(
        default=None,
        description="JSON file of the public keys that the worker verifies signed requests with, "
        "or its content.",
    )
    audit_log: str | None = Field(
        default=None,
        description="Where accepted and refused acts are recorded: a file, or "
        "cloudwatch:LOG_GROUP, a log group in the history's Region.",
    )
    launch_event_queues: Urls = Field(
        default=None,
        description="SQS queues of DRS's launch results, which EventBridge sends: the worker looks "
        "at a launch at once instead of at the next poll. URLs, separated by commas.",
    )
    watchdog: bool = Field(
        default=False,
        description="`drs-waves serve` is also a watchdog: it reports when workers, Temporal, "
        "DynamoDB or notifications fail.",
    )
    watchdog_ping_url: SecretStr | None = Field(
        default=None,
        description="URL that the watchdog gets after each look, so that a monitor notices when it "
        "ends; https, or on this machine.",
    )
    metrics_address: str | None = Field(
        default=None,
        pattern=r"^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$",
        description="Address and port at which the worker serves its metrics to Prometheus, such "
        "as 0.0.0.0:9090; path /metrics. Anyone who reaches it reads them without a token.",
    )
    alive_file: str | None = Field(
        default=None,
        description="File that the worker and the server touch every ten seconds, for the health "
        "check of a container.",
    )
    log_json: bool = Field(default=False, description="Log JSON lines instead of text.")
    deployment_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        description="Turns Temporal's Worker Versioning on: the deployment a worker belongs to.",
    )
    build_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._+-]{1,128}$",
        description="The worker's version within its deployment.",
    )

    @model_validator(mode="after")
    def _set_in_pairs(self) -> Self:
        versioning = "Worker Versioning needs both; without either it is off"
        for one, other, why in (
            ("deployment_name", "build_id", versioning),
            ("oidc_issuer", "oidc_audience", "JWTs need both"),
        ):
            self._require_with(one, other, why)
            self._require_with(other, one, why)
        self._require_with("oidc_client_id", "oidc_issuer", "people sign in at the issuer")
        self._require_with("oidc_client_secret", "oidc_client_id", "it is the secret of a client")
        return self

    @field_validator("audit_log")
    @classmethod
    def _names_a_log_group(cls, name: str | None) -> str | None:
        # Source: the API reference of CreateLogGroup.
        if name is not None and name.startswith(AUDIT_TO_CLOUDWATCH):
            group = name.removeprefix(AUDIT_TO_CLOUDWATCH)
            if not re.fullmatch(r"[A-Za-z0-9._/#-]{1,512}", group):
                raise ValueError("after `cloudwatch:` it must have the name of a log group")
        return name

    def _require_with(self, given: str, needed: str, why: str) -> None:
        """Refuse a setting without another one.

        Raises:
            ValueError: only the first is set.
        """
        if getattr(self, given) is not None and getattr(self, needed) is None:
            raise ValueError(
                f"DRS_WAVES_{given.upper()} is set and DRS_WAVES_{needed.upper()} is not: {why}"
            )

    @model_validator(mode="after")
    def _has_one_file_of_each(self) -> Self:
        for name in ("allow_list", "notify"):
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
                setting = f"DRS_WAVES_{name.upper()}"
                raise ValueError(f"{setting}_FILE and {setting} are both set: unset one of them")
        return self

    @model_validator(mode="after")
    def _verifies_with_keys(self) -> Self:
        if self.require_signed_requests and self.request_keys is None:
            raise ValueError(
                "DRS_WAVES_REQUIRE_SIGNED_REQUESTS is set and DRS_WAVES_REQUEST_KEYS is not: the "
                "worker would refuse everything"
            )
        return self

    @model_validator(mode="after")
    def _signs_for_known_callers(self) -> Self:
        keys = [key for key in (self.signing_key, self.signing_kms_key) if key is not None]
        if len(keys) > 1:
            raise ValueError(
                "DRS_WAVES_SIGNING_KEY and DRS_WAVES_SIGNING_KMS_KEY are both set: leave one out"
            )
        if keys and not self.api_tokens and self.oidc_issuer is None:
            raise ValueError(
                f"DRS_WAVES_SIGNING_{'KEY' if self.signing_key else 'KMS_KEY'} is set, but the API "
                "checks no caller whom it could sign for: set DRS_WAVES_API_TOKENS, or "
                "DRS_WAVES_OIDC_ISSUER and DRS_WAVES_OIDC_AUDIENCE"
            )
        return self

    @model_validator(mode="after")
    def _sends_tokens_over_tls_only(self) -> Self:
        url = self.api_url
        if url is not None and not url.startswith("https://") and not is_loopback(url):
            raise ValueError(
                f"DRS_WAVES_API_URL={url} is refused: a token sent there could be read on the "
                "way. Use https://; http:// is for this machine only"
            )
        return self

    @model_validator(mode="after")
    def _pings_safely(self) -> Self:
        url = self.watchdog_ping_url and self.watchdog_ping_url.get_secret_value()
        if url and not (re.fullmatch(r"https://\S+", url) or is_loopback(url)):
            raise ValueError(
                "DRS_WAVES_WATCHDOG_PING_URL is no URL that begins with https://: correct it"
            )
        return self

    @model_validator(mode="after")
    def _scaled_only_on_loopback(self) -> Self:
        if self.speed != 1.0 and (where := aws_elsewhere()):
            raise ValueError(
                f"DRS_WAVES_SPEED={self.speed:g} is refused, because the AWS endpoint is {where}: "
                "only a sandbox on this machine (AWS_ENDPOINT_URL on loopback) runs faster than "
                "real time. Unset DRS_WAVES_SPEED"
            )
        return self

    @model_validator(mode="after")
    def _next_attempt_is_late_enough(self) -> Self:
        # DRS may still accept the request of a lost attempt; until then the next attempt must
        # search for its job.
        timeout, search = self.heartbeat_timeout_seconds, self.absent_after_seconds
        is_short = timeout < HEARTBEAT_TIMEOUT_SECONDS
        if (is_short or timeout + search <= UNSETTLED_SECONDS) and (where := aws_elsewhere()):
            wrong = (
                f"DRS_WAVES_HEARTBEAT_TIMEOUT_SECONDS={timeout:g} is refused: less than "
                f"{HEARTBEAT_TIMEOUT_SECONDS:g} s"
                if is_short
                else f"DRS_WAVES_ABSENT_AFTER_SECONDS={search:g} is refused: at most "
                f"{UNSETTLED_SECONDS:g} s together with DRS_WAVES_HEARTBEAT_TIMEOUT_SECONDS"
            )
            raise ValueError(
                f"{wrong} could launch a server twice, because the AWS endpoint is {where}: only "
                "a sandbox on this machine (AWS_ENDPOINT_URL on loopback) answers at once"
            )
        return self

    @property
    def scaled_poll_seconds(self) -> float:
        """Wall-clock seconds between two polls of a job."""
        return self.poll_seconds / self.speed


def aws_elsewhere() -> str | None:
    """The first AWS endpoint in the environment that is not on this machine, or None."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        return "AWS itself"
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return "AWS itself, as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set"
    endpoints = {k: v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT_URL") and v}
    return next((v for _, v in sorted(endpoints.items()) if not is_loopback(v)), None)


def is_loopback(url: str | None) -> bool:
    """Whether a URL is a loopback address."""
    try:
        host = urlsplit(url).hostname if url else None
        return host is not None and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        # It is neither a URL nor an address.
        return False


@lru_cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        pydantic.ValidationError: with each invalid variable.
    """
    return Settings()
