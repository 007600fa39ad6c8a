"""Bodies as a whole: none, not JSON, not an object, too large, as large as allowed, with unknown members."""

import dataclasses
import json
import secrets

from . import constraints, service, wire
from .case import Case, accepted, refused
from .spot import spots
from .world import ATTRIBUTE

# The last number is valid JSON, but too large for any parser of the service.
NOT_JSON = {
    "half": b'{"',
    "half-member": b'{"name":',
    "trailing-comma": b'{"maxResults":1,}',
    "two-objects": b"{}{}",
    "words": b"name=x",
    "not-a-number": b'{"maxResults":NaN}',
    "bad-utf-8": b'{"name":"\xff\xfe"}',
    "lone-surrogate": b'{"name":"\\ud800"}',
    "control-character": b'{"name":"\x01"}',
    "bad-escape": b'{"name":"\\x"}',
    "number-too-large": b'{"maxResults":1e400}',
    "zero-bytes": b"\x00" * 16,
    "deep-lists": b"[" * 20_000,
    "deep-objects": b'{"a":' * 20_000,
}
NO_OBJECT = {"list": b"[]", "text": b'"{}"', "number": b"1", "null": b"null", "flag": b"true"}
OVERSIZE = 1024 * 1024
NOBODY_KNOWS = {"memberNobodyKnows": {"deep": [1, None, {"x": "y"}]}}


def cases(operation):
    if not wire.has_body(operation):
        return
    for name, body in {**NOT_JSON, **NO_OBJECT}.items():
        yield whole(operation, f"not-json-{name}" if name in NOT_JSON else f"no-object-{name}", body)
    yield Case(f"{operation.name}/body/empty", lambda world: empty(world, operation))
    yield Case(f"{operation.name}/body/oversize", lambda world: oversize(world, operation))
    yield Case(f"{operation.name}/body/largest", lambda world: largest(world, operation))
    yield Case(f"{operation.name}/body/no-content-type", lambda world: no_content_type(world, operation))
    yield Case(f"{operation.name}/body/unknown-member", lambda world: unknown_member(world, operation))
    for spot in spots(operation):
        if spot.shape.type_name == "structure":
            yield unknown_nested(spot)


def whole(operation, name, body):
    def run(world):
        request = wire.raw(operation, wire.request(operation, uri_values(world, operation)).target, body)
        refused(operation, world.send(operation, request), "SerializationException")

    return Case(f"{operation.name}/body/{name}", run)


def uri_values(world, operation):
    known = service.members(operation)
    return {name: value for name, value in world.minimal(operation).items() if service.location(known[name]) == "uri"}


def empty(world, operation):
    """An empty body is treated as an object without members."""
    request = wire.request(operation, uri_values(world, operation))
    answer = world.send(operation, dataclasses.replace(request, body=b"", headers={}))
    known = service.members(operation)
    missing = [name for name in service.required(operation) if service.location(known[name]) == "body"]
    if missing:
        refused(operation, answer, "ValidationException", naming=missing[0])
    else:
        accepted(operation, answer)


def oversize(world, operation):
    request = wire.request(operation, world.minimal(operation))
    answer = world.send(operation, dataclasses.replace(request, body=request.body + b" " * OVERSIZE))
    refused(operation, answer, "RequestEntityTooLargeException")


def largest(world, operation):
    """Every member at its maximum length at the same time, with every character escaped."""
    values = world.minimal(operation)
    for name, shape in service.members(operation).items():
        if name not in values and not name.startswith("filterBy") and shape.name not in service.REFERENCES:
            values[name] = most(shape)
    request = wire.request(operation, values)
    body = json.dumps({name: values[name] for name in json.loads(request.body)}, ensure_ascii=True)
    accepted(operation, world.send(operation, dataclasses.replace(request, body=body.encode())))


def most(shape):
    """The largest value that a shape allows, as far as it is bounded."""
    if shape.type_name == "structure":
        left_out = service.AT_MOST_ONE.get(shape.name, ())[1:]
        values = {name: most(member) for name, member in shape.members.items() if name not in left_out}
        return values | service.MOST_TOGETHER.get(shape.name, {})
    if shape.type_name == "list":
        _, count = service.bounds(shape)
        return [most(shape.member) for _ in range(count)]
    if shape.type_name == "map":
        return largest_map(shape)
    if shape.name == "AutoParticipantRecordingStorageConfigurationArn":
        return ""
    if shape.name == "CompositionClientToken":
        # One that was used before stands for what was asked then.
        return secrets.token_hex(service.bounds(shape)[1] // 2)
    fitting = dict(constraints.inside(shape))
    return max(fitting.values(), key=lambda value: len(json.dumps(value)) if isinstance(value, str) else int(value))


def largest_map(shape):
    if shape.name in service.MAP_BYTES_MAX:
        return {ATTRIBUTE: "\x01" * (service.MAP_BYTES_MAX[shape.name] - len(ATTRIBUTE))}
    _, count = service.bounds(shape)
    _, key = service.bounds(shape.key)
    _, value = service.bounds(shape.value)
    return {f"{index:02}" + "😀" * (key - 2): "😀" * value for index in range(count)}


def no_content_type(world, operation):
    request = wire.request(operation, world.minimal(operation))
    accepted(operation, world.send(operation, dataclasses.replace(request, headers={})))


def unknown_member(world, operation):
    """Newer clients may send members that a newer model has."""
    accepted(operation, world.call(operation, world.minimal(operation) | NOBODY_KNOWS))


def unknown_nested(spot):
    def run(world):
        values = spot.request(world, world.sample(spot.shape) | NOBODY_KNOWS)
        accepted(spot.operation, world.call(spot.operation, values))

    return Case(f"{spot.operation.name}/{spot}/unknown-member", run)
