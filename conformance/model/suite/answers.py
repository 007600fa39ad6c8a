"""Checks every answer against the model: errors at once, successes member by member in a ledger.

The ledger has a line for each place of each output shape. At the end of the run each line is a case of its own, which
passes when the place was filled at least once and never wrongly; so a member that the server leaves out for ever is
seen as well.
"""

import collections
import dataclasses
import re

from . import service

ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

# The message under the model's name for it, and under the name that SDKs print.
ERROR_MEMBERS = {"exceptionMessage", "message"}

# AWS's errors that are common to all services and not in any model.
COMMON_ERRORS = {
    "IncompleteSignatureException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestEntityTooLargeException": 413,
    "RequestTimeoutException": 408,
    "SerializationException": 400,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}

TYPES = {
    "boolean": bool,
    "float": (int, float),
    "integer": int,
    "list": list,
    "map": dict,
    "string": str,
    "structure": dict,
    "timestamp": str,
}

UNKNOWN = "(unknown members)"
HEADER = "(header) "


@dataclasses.dataclass
class Line:
    """What was seen of one member of an output shape."""

    seen: int = 0
    faults: list = dataclasses.field(default_factory=list)


def places(operation):
    """The ledger's lines for an operation: every member that may be in its answer."""
    yield UNKNOWN
    if operation.output_shape is not None:
        yield from under(operation.output_shape, "", ())


def under(shape, path, above):
    if shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            if service.location(member) == "header":
                yield HEADER + member.serialization["name"]
                continue
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from under(member, here, (*above, shape.name))
    elif shape.type_name == "list":
        yield from under(shape.member, f"{path}[]", above)


class Ledger:
    """The results of all successful answers of a run."""

    def __init__(self):
        self._lines = collections.defaultdict(Line)

    def line(self, operation, place):
        return self._lines[operation.name, place]

    def enter(self, operation, answer):
        """Reads a successful answer; faults are recorded in the line of their member."""
        self._operation = operation
        self._request = str(answer.request)
        body = answer.json()
        self._see(UNKNOWN)
        if not isinstance(body, dict):
            self._fault(UNKNOWN, f"the body is not a JSON object: {answer}")
            return
        if operation.output_shape is None:
            self._unknown(body, {}, "")
            return
        self._structure(operation.output_shape, body, "")
        for member in operation.output_shape.members.values():
            if service.location(member) == "header":
                place = HEADER + member.serialization["name"]
                self._see(place)
                if not answer.headers.get(member.serialization["name"].lower()):
                    self._fault(place, "is absent")

    def _see(self, place):
        self.line(self._operation, place).seen += 1

    def _fault(self, place, what):
        self.line(self._operation, place).faults.append(f"{what}\n    in the answer to {self._request}")

    def _unknown(self, value, known, path):
        for name in value.keys() - known.keys():
            self._fault(UNKNOWN, f"the model knows no {f'{path}.{name}'.lstrip('.')}")

    def _structure(self, shape, value, path):
        known = {name: member for name, member in shape.members.items() if service.location(member) == "body"}
        self._unknown(value, known, path)
        for name, member in known.items():
            here = f"{path}.{name}".lstrip(".")
            if name in value:
                self._see(here)
                self._value(member, value[name], here)
            elif name in shape.required_members:
                self._fault(here, "is required and absent")

    def _value(self, shape, value, place):
        kind = TYPES[shape.type_name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._fault(place, f"must be {shape.type_name}, not {value!r}")
            return
        for what in broken(shape, value):
            self._fault(place, f"{what}: {value!r}")
        if shape.type_name == "structure":
            self._structure(shape, value, place)
        elif shape.type_name == "list":
            for item in value:
                self._item(shape.member, item, place)
        elif shape.type_name == "map":
            for key, item in value.items():
                self._item(shape.key, key, place)
                self._item(shape.value, item, place)

    def _item(self, shape, value, place):
        """Items of a list have the place of their list, members of items the places below it."""
        if shape.type_name == "structure" and isinstance(value, dict):
            self._structure(shape, value, f"{place}[]")
        else:
            self._value(shape, value, place)


def broken(shape, value):
    """The constraints of its shape that a value of the right type violates."""
    least, most = service.bounds(shape)
    size = value if shape.type_name in ("integer", "float") else len(value) if hasattr(value, "__len__") else None
    if size is not None and least is not None and size < least:
        yield f"{size} is below the least, {least}"
    if size is not None and most is not None and size > most:
        yield f"{size} is above the most, {most}"
    if shape.name in service.EVEN and value % 2:
        yield "odd"
    words = shape.metadata.get("enum")
    if words and value not in words:
        yield f"none of {', '.join(words)}"
    pattern = service.pattern(shape) if shape.type_name == "string" else None
    if pattern and not re.fullmatch(pattern, value):
        yield f"does not match {pattern}"
    if shape.type_name == "timestamp" and not ISO_8601.fullmatch(value):
        yield "not an ISO 8601 time"


def faults_of_any(operation, answer):
    """Faults of an answer apart from its members: its headers, and for an error everything."""
    if not answer.headers.get("x-amzn-requestid"):
        yield "no header x-amzn-RequestId"
    if answer.headers.get("content-type") != "application/json":
        yield f"content type {answer.headers.get('content-type')!r}"
    if answer.status == operation.http["responseCode"]:
        if answer.code:
            yield "a good answer with x-amzn-ErrorType"
        return
    yield from faults_of_error(operation, answer)


def faults_of_error(operation, answer):
    modelled = service.errors(operation)
    status = modelled.get(answer.code) or COMMON_ERRORS.get(answer.code)
    if status is None:
        yield f"{answer.code} is neither an error of {operation.name} nor one of all services"
    elif status != answer.status:
        yield f"{answer.code} came with {answer.status}, not {status}"
    body = answer.json()
    if not isinstance(body, dict) or body.keys() != ERROR_MEMBERS:
        yield f"an error's body has exactly {', '.join(sorted(ERROR_MEMBERS))}"
    elif not body["message"] or body["message"] != body["exceptionMessage"]:
        yield "an error says its sentence under both names"
    for shape in operation.error_shapes:
        if shape.name != answer.code:
            continue
        for member in shape.members.values():
            name = member.serialization.get("name")
            if service.location(member) == "header" and not answer.headers.get(name.lower()):
                yield f"{answer.code} without its header {name}"
