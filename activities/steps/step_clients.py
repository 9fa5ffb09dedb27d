"""What the kinds of steps share."""

from dataclasses import dataclass

from aws.service_client import ServiceClient
from settings import Settings


@dataclass(frozen=True)
class StepClients:
    """The clients and settings that each kind of step is made with.

    Attributes:
        services: AWS's, in the targets of steps.
    """

    services: ServiceClient
    settings: Settings
