"""The XML of launch template versions, kept for each version.

A client reads the versions of thousands of templates before each launch. Moto's serializer takes
some 3 ms for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, Shape, StructureShape
from moto.core.utils import get_service_model

_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_OPERATION = "DescribeLaunchTemplateVersions"


def version_xml(described: Mapping[str, Any]) -> str:
    """Return the element of a version, from its LaunchTemplateVersion structure."""
    operation = get_service_model("ec2").operation_model(_OPERATION)
    shape = operation.output_shape.members["LaunchTemplateVersions"].member
    return f"<item>{_content(described, shape)}</item>"


def response_xml(elements: Iterable[str], next_token: str | None) -> str:
    """Return the response with the elements of versions."""
    token = f"<nextToken>{next_token}</nextToken>" if next_token else ""
    return (
        f'<{_OPERATION}Response xmlns="{_NAMESPACE}"><requestId>sandbox</requestId>'
        f"<launchTemplateVersionSet>{''.join(elements)}</launchTemplateVersionSet>{token}"
        f"</{_OPERATION}Response>"
    )


def _content(value: Any, shape: Shape) -> str:
    match shape:
        case StructureShape():
            return "".join(
                _element(str(member.serialization.get("name", name)), value[name], member)
                for name, member in shape.members.items()
                if value.get(name) is not None
            )
        case ListShape():
            return "".join(_element("item", each, shape.member) for each in value)
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        case _:
            return escape(str(value))


def _element(name: str, value: Any, shape: Shape) -> str:
    return f"<{name}>{_content(value, shape)}</{name}>"
