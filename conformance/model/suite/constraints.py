"""Each constraint of each input member: just inside, where it must not be refused, and just outside."""

import itertools

from . import pattern, references, service
from .case import Case, accepted, refused
from .spot import ABSENT, ITEM, KEY, VALUE, spots
from .world import ATTRIBUTE, sample

INVALID = "ValidationException"
# Characters of two and four bytes, and characters with a meaning in JSON and SQL.
ODD_TEXT = "é😀\"'\\\n\t;--/<b>%s{}"
PLAIN_LENGTH = 16
# Longest value in the path or the query.
LINE_MAX = 2_000

# For each type, JSON values of every other type.
WRONG = {
    "string": {"number": 7, "flag": True, "list": ["x"], "object": {"x": "y"}},
    "integer": {"text": "5", "flag": True, "list": [5], "object": {"x": 5}, "fraction": 5.5},
    "float": {"text": "5", "flag": True, "list": [5], "object": {"x": 5}},
    "boolean": {"text": "true", "number": 1, "list": [True], "object": {"x": True}},
    "list": {"text": "x", "number": 1, "flag": True, "object": {"x": "y"}},
    "map": {"text": "x", "number": 1, "flag": True, "list": ["x"]},
    "structure": {"text": "x", "number": 1, "flag": True, "list": ["x"]},
}


def cases(operation):
    for spot in spots(operation):
        yield from presence(spot)
        yield from types(spot)
        for name, value in inside(spot.shape):
            if sendable(spot, value):
                yield case(spot, f"inside-{name}", value, references.passes if is_reference(spot) else passes)
        for name, value in outside(spot.shape):
            if sendable(spot, value):
                yield case(spot, f"outside-{name}", value, references.breaks if is_reference(spot) else breaks)


def is_reference(spot):
    return spot.shape.name in service.REFERENCES


def sendable(spot, value):
    """Some values cannot be sent outside the body: an empty list would be absent, and lines are short."""
    return spot.location == "body" or (value != [] and len(str(value)) <= LINE_MAX)


def case(spot, rule, value, check):
    def run(world):
        check(world, spot, value)

    return Case(f"{spot.operation.name}/{spot}/{rule}", run)


def passes(world, spot, value):
    value = world.named(spot.shape, value)
    accepted(spot.operation, world.call(spot.operation, spot.request(world, value)))


def breaks(world, spot, value):
    answer = world.call(spot.operation, spot.request(world, value))
    refused(spot.operation, answer, INVALID, naming=spot.member)


def empty_label_breaks(world, spot, value):
    """Without its label the path is a different one, which may belong to no operation."""
    answer = world.call(spot.operation, spot.request(world, value))
    refused(spot.operation, answer, INVALID, "UnknownOperationException")


def presence(spot):
    """A member that is left out, and null, which is equivalent."""
    if spot.steps[-1] in (ITEM, KEY, VALUE):
        return
    if spot.location == "uri":
        yield case(spot, "absent", ABSENT, empty_label_breaks)
        return
    check = breaks if spot.is_required else passes
    if spot.is_required:
        yield case(spot, "absent", ABSENT, breaks)
    if spot.location == "body":
        yield case(spot, "null", None, check)


def types(spot):
    if spot.location != "body" or spot.steps[-1] == KEY:
        return
    for name, value in WRONG[spot.shape.type_name].items():
        yield case(spot, f"type-{name}", value, breaks)
    if spot.steps[-1] == ITEM:
        yield case(spot, "null", None, breaks)


def inside(shape):
    """(name, value) of values that just satisfy every constraint of the shape."""
    return KINDS[shape.type_name][0](shape)


def outside(shape):
    """(name, value) of values that just violate one constraint of the shape."""
    return KINDS[shape.type_name][1](shape)


def nothing(_shape):
    return iter(())


def integers_inside(shape):
    least, most = service.bounds(shape)
    most = service.MOST_ALONE.get(shape.name, most)
    for name, value in (("least", least), ("most", most)):
        if value is not None:
            yield name, value


def integers_outside(shape):
    least, most = service.bounds(shape)
    if shape.name in service.EVEN:
        yield "odd", least + 1
    if least is not None:
        yield "below", least - 1
        yield "far-below", -(2**63)
    if most is not None:
        yield "above", most + 1
        for bits in (31, 32, 63, 64):
            yield f"two-to-the-{bits}", 2**bits + (least or 0)
        yield "nearly-infinite", 1e308


def floats_inside(shape):
    yield from integers_inside(shape)
    least, most = service.bounds(shape)
    if least is not None and most is not None:
        yield "between", least + (most - least) / 3


def floats_outside(shape):
    yield from integers_outside(shape)
    least, most = service.bounds(shape)
    if least is not None:
        yield "just-below", least - 0.001
    if most is not None:
        yield "just-above", most + 0.001


def booleans_inside(_shape):
    yield "true", True
    yield "false", False


def texts_inside(shape):
    words, expression = shape.metadata.get("enum"), service.pattern(shape)
    if words:
        yield from ((word, word) for word in words)
    elif shape.name in service.OPAQUE:
        return
    elif expression:
        yield from patterned_inside(shape, expression)
    else:
        yield from free_inside(shape)


def patterned_inside(shape, expression):
    least, most = service.bounds(shape)
    if least is not None and (text := pattern.matching(expression, least)) is not None:
        yield "shortest", text
    if most is not None and (text := pattern.matching(expression, most)) is not None:
        yield "longest", text
    for index, text in enumerate(pattern.alphabets(expression, most or PLAIN_LENGTH)):
        if least is None or len(text) >= least:
            yield f"alphabet-{index}", text


def free_inside(shape):
    least, most = service.bounds(shape)
    yield "shortest", "x" * (least or 0)
    yield "odd", ODD_TEXT
    if most is not None:
        for name, character in (("ascii", "x"), ("two-bytes", "é"), ("four-bytes", "😀")):
            yield f"longest-{name}", character * most


def texts_outside(shape):
    least, most = service.bounds(shape)
    words, expression = shape.metadata.get("enum"), service.pattern(shape)
    if words:
        yield "empty", ""
        yield "unknown", "SOMETHING_ELSE"
        yield "other-case", words[0].swapcase()
        yield "space-after", words[0] + " "
        return
    if least:
        text = pattern.matching(expression, least - 1) if expression else "x" * (least - 1)
        yield "below", text if text is not None else "x" * (least - 1)
    if most is not None:
        text = pattern.matching(expression, most + 1) if expression else "x" * (most + 1)
        yield "above", text if text is not None else "x" * (most + 1)
        yield "far-above", "x" * 70_000
    if most is not None and not expression:
        yield "above-four-bytes", "😀" * (most + 1)
    if expression:
        floor = pattern.shortest(expression)
        yield from pattern.near_misses(expression, least or 0, most or len(floor) + 2_000)


def distinct(shape, count):
    """This many items, as different as possible."""
    if shape.metadata.get("enum"):
        return list(itertools.islice(itertools.cycle(shape.metadata["enum"]), count))
    if expression := service.pattern(shape) if shape.type_name == "string" else None:
        first = len(pattern.shortest(expression))
        return [pattern.matching(expression, first + index) for index in range(count)]
    if shape.type_name == "string":
        return [f"item-{index}" for index in range(count)]
    if shape.name in service.UNIONS:
        kinds = itertools.islice(itertools.cycle(service.UNIONS[shape.name]), count)
        return [{kind: sample(shape.members[kind])} for kind in kinds]
    return [sample(shape) for _ in range(count)]


def lists_inside(shape):
    least, most = service.bounds(shape)
    if least is not None:
        yield "least", distinct(shape.member, least)
    if most is not None:
        yield "most", distinct(shape.member, most)


def lists_outside(shape):
    least, most = service.bounds(shape)
    if least:
        yield "below", distinct(shape.member, least - 1)
    if most is not None:
        yield "above", distinct(shape.member, most + 1)
        yield "far-above", distinct(shape.member, most * 100)


def entries(shape, count):
    return dict(zip((f"key-{index}" for index in range(count)), distinct(shape.value, count), strict=True))


def sized(size):
    """A map of this many bytes, with characters of two bytes where possible."""
    room = size - len(ATTRIBUTE)
    return {ATTRIBUTE: "é" * (room // 2) + "x" * (room % 2)}


def maps_inside(shape):
    least, most = service.bounds(shape)
    yield "least", entries(shape, least or 0)
    if most is not None:
        yield "most", entries(shape, most)
    if shape.name in service.MAP_BYTES_MAX:
        yield "most-bytes", sized(service.MAP_BYTES_MAX[shape.name])


def maps_outside(shape):
    _, most = service.bounds(shape)
    if most is not None:
        yield "above", entries(shape, most + 1)
        yield "far-above", entries(shape, most * 100)
    if shape.name in service.MAP_BYTES_MAX:
        yield "above-bytes", sized(service.MAP_BYTES_MAX[shape.name] + 1)
    if shape.key.name == "TagKey":
        yield "reserved-key", {"aws:owner": "x"}


KINDS = {
    "string": (texts_inside, texts_outside),
    "integer": (integers_inside, integers_outside),
    "float": (floats_inside, floats_outside),
    "boolean": (booleans_inside, nothing),
    "list": (lists_inside, lists_outside),
    "map": (maps_inside, maps_outside),
    "structure": (nothing, nothing),
}
