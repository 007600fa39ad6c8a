"""Every place of an input shape that can have a value, and requests with a chosen value there."""

import dataclasses

from botocore.model import Shape

from . import service
from .world import sample

ITEM = "[]"
KEY = "{key}"
VALUE = "{value}"
ABSENT = object()


@dataclasses.dataclass(frozen=True)
class Spot:
    """A place: the steps from the input shape to it, and its shape."""

    operation: object
    steps: tuple
    shape: Shape
    is_required: bool

    def __str__(self):
        return "".join(step if step in (ITEM, KEY, VALUE) else f".{step}" for step in self.steps).lstrip(".")

    @property
    def member(self):
        """The nearest member's name, which an error must contain."""
        return next(step for step in reversed(self.steps) if step not in (ITEM, KEY, VALUE))

    @property
    def top(self):
        return self.steps[0]

    @property
    def is_top(self):
        return len(self.steps) == 1

    @property
    def location(self):
        return service.location(service.members(self.operation)[self.top])

    def request(self, world, value):
        """Member values with `value` at this place, or without this member if it is ABSENT."""
        values = world.minimal(self.operation, without=(self.top,) if self.is_top and value is ABSENT else ())
        return values if self.is_top and value is ABSENT else self.put(values, value, world.sample)

    def put(self, values, value, make=sample):
        """The same member values with `value` at this place."""
        container = service.members(self.operation)[self.top]
        return values | {self.top: nested(container, self.steps[1:], value, make)}


def nested(shape, steps, value, make=sample):
    """The smallest value of `shape` that has `value` at the end of these steps; `make` makes what is beside it."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step == ITEM:
        return [nested(shape.member, rest, value, make)]
    if step == KEY:
        return {value: make(shape.value)}
    if step == VALUE:
        return {make(shape.key): nested(shape.value, rest, value, make)}
    made = make(shape)
    union = service.UNIONS.get(shape.name, ())
    # What is null is absent, so another member of the union takes its place.
    if step in union and not (not rest and value in (None, ABSENT)):
        made = {name: made[name] for name in made if name not in union}
    elif step in union:
        other = next(name for name in union if name != step)
        made = {name: made[name] for name in made if name not in union} | {other: make(shape.members[other])}
    if not rest and value is ABSENT:
        made.pop(step, None)
        return made
    return made | {step: nested(shape.members[step], rest, value, make)}


def spots(operation):
    """All places of an operation's input, from the outside in."""
    if operation.input_shape is not None:
        yield from members_of(operation, operation.input_shape, ())


def members_of(operation, shape, steps):
    for name, member in shape.members.items():
        yield from at(operation, member, (*steps, name), name in shape.required_members)


def at(operation, shape, steps, is_required):
    yield Spot(operation, steps, shape, is_required)
    if shape.type_name == "structure":
        yield from members_of(operation, shape, steps)
    elif shape.type_name == "list":
        yield from at(operation, shape.member, (*steps, ITEM), False)
    elif shape.type_name == "map":
        yield from at(operation, shape.key, (*steps, KEY), False)
        yield from at(operation, shape.value, (*steps, VALUE), False)
