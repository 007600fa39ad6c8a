"""What reading a request must come to, for every operation of the model, served or not: for the tests of restage-api.

Each place of an input has a body with the mark `@` there, and the name of the shape whose values stand in its stead. So
the values of a shape are written once, however many members have it.
"""

import json

from . import constraints, service
from .spot import ABSENT, nested, spots
from .world import sample

MARK = "@"
# Values of this size say nothing more than those next to a bound.
FAR = "far-"
# A text that must be more than its pattern says: this one is a public key.
PUBLIC_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEwLrMaCsIskyxEGo5blDs6wGwZ3knwAZI\n"
    "-----END PUBLIC KEY-----\n"
)


def table():
    """`{"shapes": …, "operations": …}`."""
    operations, shapes = {}, {}
    for name in service.model().operation_names:
        operation = service.model().operation_model(name)
        operations[name] = {"least": least(operation), "places": list(places(operation, shapes))}
    return {"shapes": {name: values(shape) for name, shape in sorted(shapes.items())}, "operations": operations}


# RTMP needs insecureIngest, so both are chosen: with these each may have any other value alone.
CHOSEN = {"CreateIngestConfiguration": {"ingestProtocol": "RTMPS", "insecureIngest": True}}


def least(operation):
    """The required members, and those that they need."""
    members = service.members(operation)
    required = {
        name: PUBLIC_KEY if members[name].name in service.OPAQUE else sample(members[name])
        for name in service.required(operation)
    }
    return required | CHOSEN.get(operation.name, {})


def places(operation, shapes):
    for spot in spots(operation):
        shapes[spot.shape.name] = spot.shape
        place = {"place": str(spot), "names": spot.member, "shape": spot.shape.name, "in": spot.location}
        place["body"] = marked(operation, spot, MARK)
        if spot.is_required:
            place["without"] = marked(operation, spot, ABSENT)
        yield place


def marked(operation, spot, value):
    """The least members with this value at the place."""
    values = least(operation)
    if spot.is_top and value is ABSENT:
        values.pop(spot.top, None)
        return values
    container = service.members(operation)[spot.top]
    return values | {spot.top: nested(container, spot.steps[1:], value)}


def outside(shape):
    return [value for name, value in constraints.outside(shape) if not name.startswith(FAR)]


def values(shape):
    """JSON that keeps every rule of a shape, that breaks one, and of other types. (More texts than the model's pattern
    are public keys; `tests/api/public_keys.rs` has those that are not.)"""
    return {
        "inside": [value for _, value in constraints.inside(shape)],
        "outside": [] if shape.name in service.OPAQUE else outside(shape),
        "wrong": list(constraints.WRONG[shape.type_name].values()),
    }


def text():
    """The table as JSON, a line for each shape and each place."""
    made = table()
    shapes = ",\n".join(f"{line(name)}: {line(values)}" for name, values in made["shapes"].items())
    operations = ",\n".join(operation_text(name, entry) for name, entry in made["operations"].items())
    return f'{{"shapes": {{\n{shapes}\n}}, "operations": {{\n{operations}\n}}}}\n'


def operation_text(name, entry):
    places = ",\n".join(line(place) for place in entry["places"])
    return f'{line(name)}: {{"least": {line(entry["least"])}, "places": [\n{places}\n]}}'


def line(value):
    return json.dumps(value, ensure_ascii=True)
