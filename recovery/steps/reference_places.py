"""Where a plan may have references: only in values that are sent as values."""

import re
from collections.abc import Iterator
from typing import Any

from recovery.steps.model import Step, StepKind
from recovery.steps.references import references_in

Place = tuple[str | int, ...]
"""The keys and list positions that lead from a step to a value."""

# By kind, the keys whose texts are values of a request: JSON, a parameter, a header, a record.
# None is text of a document, a URL, a path or a script, and none says what is called.
_PLACES: dict[StepKind, tuple[str, ...]] = {
    StepKind.SSM_AUTOMATION: ("Parameters",),
    StepKind.SSM_COMMAND: ("Parameters",),
    StepKind.LAMBDA: ("Payload",),
    StepKind.HTTP: ("Query", "Headers", "Body"),
    StepKind.ROUTE53_RECORD: ("Values",),
    StepKind.WORKFLOW: ("Input",),
    StepKind.TCP: ("Host",),
    StepKind.HTTP_GET: ("Host", "Contains"),
    StepKind.DNS: ("Name", "Values"),
}
# AWS's own documents that run what their parameters say, and such parameters of other documents.
_RUNS_PARAMETERS = re.compile(r"(.*/)?AWS-(Run|Apply).*", re.DOTALL)
WITHOUT_REFERENCES = (
    "Parameters of AWS-Run… and AWS-Apply… documents, and those called commands, commandLine, "
    "script or sourceInfo, have none: they are run."
)
_SCRIPTS = re.compile(r"commands?|commandLine|script|sourceInfo", re.IGNORECASE)


def places_for_references(kind: StepKind) -> tuple[str, ...]:
    """The keys of a kind that may have references."""
    return _PLACES.get(kind, ())


def may_have_references(step: Step, place: Place) -> bool:
    """Whether the text at this place of a step may have references."""
    _, key, *below = place
    if key not in places_for_references(step.kind):
        return False
    if step.kind in (StepKind.SSM_AUTOMATION, StepKind.SSM_COMMAND):
        document = step.spec.model_dump()["Document"]
        is_script = bool(below) and _SCRIPTS.fullmatch(str(below[0]))
        return not is_script and _RUNS_PARAMETERS.fullmatch(document) is None
    return True


def misplaced_reference(step: Step, place: Place, text: str) -> str:
    """Why the text at this place of a step may not have its references; "" if it may.

    Raises:
        ReferenceSyntaxError: it has something else than references.
    """
    found = list(references_in(text))
    if not found or may_have_references(step, place):
        return ""
    allowed = places_for_references(step.kind)
    where = f"only values in {' or '.join(allowed)} may" if allowed else "nothing here may"
    message = f"{found[0]} would become text that is read as something else"
    message += f"; {where} have references"
    if step.kind in (StepKind.SSM_AUTOMATION, StepKind.SSM_COMMAND):
        message += ", and none that a document runs as a script"
    return message


def texts_of(step: Step) -> Iterator[tuple[Place, str, bool]]:
    """All texts of a step's kind: the place, the text, and whether it is a free name."""
    content = step.spec.model_dump(mode="json")
    for key, value in content.items():
        yield from _texts((step.kind.value, key), value)


def _texts(place: Place, value: Any) -> Iterator[tuple[Place, str, bool]]:
    match value:
        case str():
            yield place, value, False
        case dict():
            for key, each in value.items():
                yield (*place, key), key, True
                yield from _texts((*place, key), each)
        case list():
            for number, each in enumerate(value):
                yield from _texts((*place, number), each)
