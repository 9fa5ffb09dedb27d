"""Handles ec2 requests for launch templates and offerings; moto handles the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from moto.core.responses import ActionResult
from moto.ec2 import urls
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses import EC2Response
from moto.ec2.utils import parse_user_data

from sandbox.drs.exceptions import ValidationException
from sandbox.drs.pagination import Key, paginate
from sandbox.drs.servers.launch_settings import ec2
from sandbox.ec2 import launch_templates
from sandbox.ec2.launch_checks import launch_refusal
from sandbox.ec2.launch_templates import (
    LaunchTemplateStore,
    VersionedLaunchTemplate,
    launch_template_stores,
)
from sandbox.ec2.networks import add_networks
from sandbox.ec2.version_xml import response_xml, version_xml

_PAGE_SIZES = range(1, 201)
_TEMPLATE_ID = re.compile(r"lt-[0-9a-f]{8}(?:[0-9a-f]{9})?")
# By the code of other operations.
_DELETION_ERRORS = {
    "InvalidLaunchTemplateId.NotFound": "launchTemplateIdDoesNotExist",
    "InvalidLaunchTemplateId.Malformed": "launchTemplateIdMalformed",
    "InvalidLaunchTemplateName.NotFoundException": "launchTemplateNameDoesNotExist",
}

Item = TypeVar("Item")


class LaunchTemplateResponse(EC2Response):
    """Handler for EC2 requests and responses."""

    @property
    def store(self) -> LaunchTemplateStore:
        """Return the launch templates specific for this region."""
        return launch_template_stores[self.current_account][self.region]

    @property
    def ec2_backend(self) -> EC2Backend:
        """Return moto's backend, with the networks and launch templates of the sandbox."""
        backend = self.store.ec2
        add_networks(backend)
        return backend

    def describe_launch_templates(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self._get_param("LaunchTemplateIds", [])
        with launch_templates.lock:
            found = [self.store.template(each).id for each in ids] or None
            templates = self.ec2_backend.describe_launch_templates(
                template_names=self._get_param("LaunchTemplateNames", []),
                template_ids=found,
                filters=self._filters_from_querystring(),
            )
        page, token = self._page(templates, lambda each: (each.id,))
        described = [self._describe(each) for each in page]
        return ActionResult({"LaunchTemplates": described, "NextToken": token})

    def create_launch_template_version(self) -> ActionResult:
        self.error_on_dryrun()
        template = self._template()
        data = self._get_param("LaunchTemplateData", {})
        if "UserData" in data:
            data["UserData"] = parse_user_data(self._get_param("LaunchTemplateData.UserData"))
        version = self.store.create_version(
            template,
            data=data,
            source_version=self._get_param("SourceVersion"),
            description=self._get_param("VersionDescription", ""),
            client_token=self._get_param("ClientToken", ""),
        )
        return ActionResult({"LaunchTemplateVersion": self._describe_version(template, version)})

    def describe_launch_template_versions(self) -> str:  # type: ignore[override]  # XML
        self.error_on_dryrun()
        versions = self._get_param("Versions", [])
        with launch_templates.lock:
            if self._get_param("LaunchTemplateId") or self._get_param("LaunchTemplateName"):
                template = self._template()
                chosen = [template.get_version(each) for each in versions]
                found = self._of_template(template, chosen or self._in_range(template))
            else:
                found = self._of_all_templates(versions)
        unique = {(template.id, each.number): (template, each) for template, each in found}
        page, token = self._page(
            self._filtered(list(unique.values())), lambda each: (each[0].id, each[1].number)
        )
        return response_xml((self._version_xml(*each) for each in page), token)

    def describe_instance_type_offerings(self) -> ActionResult:
        offerings = self.ec2_backend.describe_instance_type_offerings(
            self._get_param("LocationType"), self._filters_from_querystring()
        )
        offered = [
            each
            for each in offerings
            if each["Location"] not in self.store.not_offered.get(each["InstanceType"], ())
        ]
        return ActionResult({"InstanceTypeOfferings": offered})

    def modify_launch_template(self) -> ActionResult:
        self.error_on_dryrun()
        template = self._template()
        version = self._get_param("DefaultVersion") or self._get_param("SetDefaultVersion")
        self.store.set_default(template, str(version), self._get_param("ClientToken", ""))
        return ActionResult({"LaunchTemplate": self._describe(template)})

    def delete_launch_template_versions(self) -> ActionResult:
        self.error_on_dryrun()
        versions = self._get_param("Versions", [])
        try:
            template = self._template()
        except EC2ClientError as error:
            return self._nothing_deleted(versions, error)
        outcome = self.store.delete_versions(template, versions)
        named = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
        return ActionResult(
            {
                "SuccessfullyDeletedLaunchTemplateVersions": [
                    {**named, "VersionNumber": number} for number in outcome.deleted
                ],
                "UnsuccessfullyDeletedLaunchTemplateVersions": [
                    {
                        **named,
                        "VersionNumber": number,
                        "ResponseError": {"Code": code, "Message": message},
                    }
                    for number, code, message in outcome.failed
                ],
            }
        )

    def _nothing_deleted(self, versions: Sequence[str], error: EC2ClientError) -> ActionResult:
        code = _DELETION_ERRORS.get(error.code)
        if code is None:
            raise error
        return ActionResult(
            {
                "SuccessfullyDeletedLaunchTemplateVersions": [],
                "UnsuccessfullyDeletedLaunchTemplateVersions": [
                    {
                        "LaunchTemplateId": self._get_param("LaunchTemplateId"),
                        "LaunchTemplateName": self._get_param("LaunchTemplateName"),
                        "VersionNumber": int(each) if each.isdecimal() else None,
                        "ResponseError": {"Code": code, "Message": error.message},
                    }
                    for each in versions
                ],
            }
        )

    def _template(self) -> VersionedLaunchTemplate:
        template_id = self._get_param("LaunchTemplateId")
        if template_id and not _TEMPLATE_ID.fullmatch(template_id):
            raise EC2ClientError(
                "InvalidLaunchTemplateId.Malformed",
                f"The launch template ID {template_id} is not valid.",
            )
        return self.store.template(template_id, self._get_param("LaunchTemplateName"))

    def _in_range(self, template: LaunchTemplate) -> list[LaunchTemplateVersion]:
        least = self._get_int_param("MinVersion", 1)
        most = self._get_int_param("MaxVersion", template.latest_version_number)
        return [each for each in template.versions if least <= each.number <= most]

    @staticmethod
    def _of_template(
        template: LaunchTemplate, versions: Sequence[LaunchTemplateVersion]
    ) -> list[tuple[LaunchTemplate, LaunchTemplateVersion]]:
        return [(template, each) for each in versions]

    def _of_all_templates(
        self, versions: Sequence[str]
    ) -> list[tuple[LaunchTemplate, LaunchTemplateVersion]]:
        if not versions or not set(versions) <= {"$Latest", "$Default"}:
            raise EC2ClientError(
                "InvalidParameterValue",
                "Without a launch template, Versions can be $Latest and $Default only.",
            )
        return [
            (template, template.get_version(each))
            for template in list(self.ec2_backend.launch_templates.values())
            for each in versions
        ]

    def _filtered(
        self, found: list[tuple[LaunchTemplate, LaunchTemplateVersion]]
    ) -> list[tuple[LaunchTemplate, LaunchTemplateVersion]]:
        for name, values in self._filters_from_querystring().items():
            if name != "is-default-version":
                raise EC2ClientError(
                    "InvalidParameterValue", f"The sandbox does not support the filter {name}."
                )
            found = [each for each in found if str(each[0].is_default(each[1])).lower() in values]
        return found

    def _page(
        self, items: Sequence[Item], key: Callable[[Item], Key]
    ) -> tuple[list[Item], str | None]:
        size = self._get_int_param("MaxResults", _PAGE_SIZES[-1])
        if size not in _PAGE_SIZES:
            raise EC2ClientError(
                "InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid."
            )
        try:
            token = self._get_param("NextToken")
            return paginate(str(self._get_action()), items, key, size, token)
        except ValidationException as error:
            raise EC2ClientError("InvalidNextToken", "The token is not valid.") from error

    def _describe(self, template: LaunchTemplate) -> dict[str, Any]:
        return {
            "CreateTime": template.create_time,
            "CreatedBy": self._root,
            "DefaultVersionNumber": template.default_version_number,
            "LatestVersionNumber": template.latest_version_number,
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Tags": template.tags,
        }

    def _describe_version(
        self, template: LaunchTemplate, version: LaunchTemplateVersion
    ) -> dict[str, Any]:
        return {
            "CreateTime": version.create_time,
            "CreatedBy": self._root,
            "DefaultVersion": template.is_default(version),
            "LaunchTemplateData": version.data,
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "VersionDescription": version.description or None,
            "VersionNumber": version.number,
        }

    def _version_xml(self, template: LaunchTemplate, version: LaunchTemplateVersion) -> str:
        # A version never changes, except in whether it is the default.
        kept = self.store.rendered.setdefault((template.id, version.number), {})
        is_default = template.is_default(version)
        if is_default not in kept:
            kept[is_default] = version_xml(self._describe_version(template, version))
        return kept[is_default]

    @property
    def _root(self) -> str:
        return f"arn:{self.partition}:iam::{self.current_account}:root"


def register() -> None:
    """Make moto's EC2 know what is here. Idempotent."""
    launch_templates.register()
    ec2.refusal = launch_refusal
    urls.url_paths["{0}/"] = LaunchTemplateResponse.dispatch
