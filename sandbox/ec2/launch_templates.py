"""Launch templates whose versions can be deleted, and those of DRS's source servers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidLaunchTemplateIdNotFound,
    InvalidLaunchTemplateNameNotFoundWithNameError,
    InvalidLaunchTemplateVersionNotFound,
    MissingParameterError,
)
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models import launch_templates as moto_templates
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.iam.models import iam_backends

from sandbox import effects
from sandbox.drs import drs_backends
from sandbox.drs.servers.launch_settings import TemplateVersion, launch_template_id
from sandbox.drs.servers.source_servers import SourceServer
from sandbox.drs.simulation import simulation

_MOST_DELETED = 200
# Many threads serve requests; a change of a template is one step.
lock = RLock()


class VersionedLaunchTemplate(LaunchTemplate):
    """A launch template that never gives a number twice, and tells DRS its default version.

    Moto finds versions by their place in a list.

    Attributes:
        source_server: The source server of DRS that it is the template of, or None.
        last_number: The highest number that a version ever had.
    """

    source_server: SourceServer | None = None
    last_number = 0
    _default_number = 1

    def create_version(self, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
        self.last_number += 1
        version = LaunchTemplateVersion(self, self.last_number, data, description)
        created = datetime.fromtimestamp(simulation.now(), UTC)
        version.create_time = created.replace(tzinfo=None)
        self.versions.append(version)
        return version

    @property
    def default_version_number(self) -> int:
        return self._default_number

    @default_version_number.setter
    def default_version_number(self, number: int) -> None:
        self._default_number = number
        if self.source_server is not None:
            version = self.default_version()
            in_force = TemplateVersion(
                number, copy.deepcopy(version.data), version.description or ""
            )
            self.source_server.settings.template.change(simulation.now(), in_force)

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        match str(num).lower():
            case "$latest":
                return self.latest_version()
            case "$default":
                return self.default_version()
            case number:
                for version in self.versions:
                    if str(version.number) == number:
                        return version
        raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=str(num))

    def default_version(self) -> LaunchTemplateVersion:
        return self.get_version(self._default_number)

    @property
    def tags(self) -> list[dict[str, str]]:
        return self.get_tags()

    @tags.setter
    def tags(self, tags: list[dict[str, str]]) -> None:
        """Ignore moto's copy, which later changes of the tags do not reach."""

    def get_tags(self) -> list[dict[str, str]]:
        # Moto searches the tags of all resources for those of one.
        return [
            {"resource_id": self.id, "resource_type": "launch-template", "key": key, "value": value}
            for key, value in self.ec2_backend.tags[self.id].items()
        ]


def register() -> None:
    """Make moto create such templates. Idempotent."""
    moto_templates.LaunchTemplate = VersionedLaunchTemplate  # type: ignore[misc]


@dataclass(frozen=True)
class _Accepted:
    """A call that was accepted with a client token."""

    parameters: tuple[Any, ...]
    answer: Any


@dataclass
class Deletion:
    """The outcome of a deletion of versions: those deleted, and why others are not."""

    deleted: list[int] = field(default_factory=list)
    failed: list[tuple[int, str, str]] = field(default_factory=list)


class LaunchTemplateStore(BaseBackend):
    """The launch templates of one account and Region, which are in moto's EC2.

    Attributes:
        not_offered: The Availability Zones that do not offer an instance type.
        rendered: The XML of versions, by the ID and the number, and whether it is the default.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.not_offered: dict[str, frozenset[str]] = {}
        self.rendered: dict[tuple[str, int], dict[bool, str]] = {}
        self._of_drs: set[str] = set()
        self._accepted: dict[tuple[str, str], _Accepted] = {}

    @property
    def ec2(self) -> EC2Backend:
        """Moto's EC2, with the templates of the source servers that exist now."""
        return self.add_templates()

    def add_templates(self) -> EC2Backend:
        """Add the templates that moto's EC2 lacks, and return that. Idempotent."""
        backend = ec2_backends[self.account_id][self.region_name]
        # A lookup by index in moto's BackendDict would create the backend.
        account = drs_backends.get(self.account_id)
        drs = account.get(self.region_name) if account else None
        if drs and len(drs.template_servers) != len(self._of_drs):
            with lock:
                for template_id, server in list(drs.template_servers.items()):
                    if template_id not in self._of_drs:
                        self._of_drs.add(template_id)
                        _add(backend, template_id, server)
        return backend

    def template(
        self, template_id: str | None = None, name: str | None = None
    ) -> VersionedLaunchTemplate:
        """Return a template by its ID or by its name."""
        if bool(template_id) == bool(name):
            raise MissingParameterError("launch template ID or launch template name")
        backend = self.ec2
        found = backend.launch_template_name_to_ids.get(name) if name else template_id
        template = backend.launch_templates.get(str(found))
        if template is None and name:
            raise InvalidLaunchTemplateNameNotFoundWithNameError(name)
        if template is None:
            raise InvalidLaunchTemplateIdNotFound(str(template_id))
        assert isinstance(template, VersionedLaunchTemplate), "moto creates no others"
        return template

    def create_version(
        self,
        template: VersionedLaunchTemplate,
        *,
        data: dict[str, Any],
        source_version: str | None,
        description: str,
        client_token: str,
    ) -> LaunchTemplateVersion:
        """Create a version with the data of the source version, overlaid with `data`."""
        with lock:
            parameters = (template.id, source_version, description, data)
            earlier = self._repeated("CreateLaunchTemplateVersion", client_token, parameters)
            if earlier is not None:
                version: LaunchTemplateVersion = earlier.answer
            else:
                source = template.get_version(source_version).data if source_version else {}
                merged = {**copy.deepcopy(source), **data}
                version = template.create_version(merged, description)
                self._accept("CreateLaunchTemplateVersion", client_token, parameters, version)
            self._record(
                "CreateLaunchTemplateVersion",
                template,
                client_token,
                {
                    "VersionNumber": version.number,
                    "VersionDescription": version.description,
                    "SubnetId": TemplateVersion(version.number, version.data).subnet_id,
                },
                is_repeat=earlier is not None,
            )
            return version

    def set_default(
        self, template: VersionedLaunchTemplate, version: str, client_token: str
    ) -> None:
        """Make a version the default."""
        with lock:
            parameters = (template.id, version)
            earlier = self._repeated("ModifyLaunchTemplate", client_token, parameters)
            if earlier is None:
                if not version.isdecimal():
                    raise InvalidLaunchTemplateVersionNotFound(version, template.id)
                template.default_version_number = template.get_version(version).number
                self._accept("ModifyLaunchTemplate", client_token, parameters, None)
            self._record(
                "ModifyLaunchTemplate",
                template,
                client_token,
                {"DefaultVersion": int(version)},
                is_repeat=earlier is not None,
            )

    def delete_versions(
        self, template: VersionedLaunchTemplate, versions: Sequence[str]
    ) -> Deletion:
        """Delete versions, except the default one."""
        if len(versions) > _MOST_DELETED:
            raise EC2ClientError(
                "InvalidParameterValue", f"At most {_MOST_DELETED} versions can be deleted at once."
            )
        for each in versions:
            if not each.isdecimal():
                raise EC2ClientError("InvalidParameterValue", f"{each} is not a version number.")
        outcome = Deletion()
        with lock:
            for number in dict.fromkeys(int(each) for each in versions):
                if number == template.default_version_number:
                    # An assumption: EC2's documentation does not name the code.
                    text = "The default version of a launch template cannot be deleted."
                    outcome.failed.append((number, "unexpectedError", text))
                elif all(each.number != number for each in template.versions):
                    text = f"Version {number} of launch template {template.id} does not exist."
                    outcome.failed.append((number, "launchTemplateVersionDoesNotExist", text))
                else:
                    template.versions[:] = [v for v in template.versions if v.number != number]
                    outcome.deleted.append(number)
            if outcome.deleted:
                details = {"VersionNumbers": outcome.deleted}
                self._record("DeleteLaunchTemplateVersions", template, "", details)
        return outcome

    def _repeated(
        self, operation: str, client_token: str, parameters: tuple[Any, ...]
    ) -> _Accepted | None:
        earlier = self._accepted.get((operation, client_token)) if client_token else None
        if earlier is not None and earlier.parameters != parameters:
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                "The client token was used with other parameters before.",
            )
        return earlier

    def _accept(
        self, operation: str, client_token: str, parameters: tuple[Any, ...], answer: Any
    ) -> None:
        if client_token:
            kept = copy.deepcopy(parameters)
            self._accepted[operation, client_token] = _Accepted(kept, answer)

    def _record(
        self,
        operation: str,
        template: VersionedLaunchTemplate,
        client_token: str,
        details: dict[str, Any],
        *,
        is_repeat: bool = False,
    ) -> None:
        server = template.source_server
        effects.record(
            f"ec2.{operation}",
            account_id=self.account_id,
            region=self.region_name,
            key=client_token,
            details={
                "LaunchTemplateId": template.id,
                "SourceServerId": server.source_server_id if server else None,
                **details,
            },
            is_repeat=is_repeat,
        )


launch_template_stores = BackendDict(LaunchTemplateStore, "ec2")


def _add(backend: EC2Backend, template_id: str, server: SourceServer) -> None:
    first = server.settings.template.now
    template = VersionedLaunchTemplate(  # type: ignore[abstract]
        backend,
        f"created-and-used-by-drs-{server.source_server_id}",
        copy.deepcopy(first.data),
        first.description,
        {},
    )
    template.id = template_id
    template.source_server = server
    _add_profile(backend, first)
    backend.tags[template_id].update(
        {
            "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
            "AWSElasticDisasterRecoverySourceServerID": server.source_server_id,
            "Name": server.source_server_id,
        }
    )
    backend.launch_template_name_to_ids[template.name] = template_id
    backend.launch_template_insert_order.append(template_id)
    backend.launch_templates[template_id] = template


def _add_profile(backend: EC2Backend, version: TemplateVersion) -> None:
    """Add the instance profile that production has."""
    iam = iam_backends[backend.account_id][backend.partition]
    name = version.instance_profile
    if name is not None and all(each.name != name for each in iam.instance_profiles.values()):
        iam.create_instance_profile(name, "/", [])


def edit_template(
    account_id: str, region: str, source_server_id: str, data: dict[str, Any]
) -> None:
    """Edit the template of a source server as somebody does in the console: a new default."""
    store = launch_template_stores[account_id][region]
    with lock:
        template = store.template(launch_template_id(source_server_id))
        version = store.create_version(
            template, data=data, source_version="$Default", description="console", client_token=""
        )
        store.set_default(template, str(version.number), "")
