"""Tests of the suite itself: values that it considers valid are valid, and the others are invalid."""

import re

import pytest

from suite import answers, constraints, excuses, members, pattern, service
from suite.spot import spots

PATTERNS = [
    ("[a-zA-Z0-9-_]*", 0, 128),
    ("st-[a-zA-Z0-9]+", 16, 16),
    ("arn:aws:ivs:[a-z0-9-]+:[0-9]+:stage/[a-zA-Z0-9-]+", 1, 128),
    ("^$|^arn:aws:ivs:[a-z0-9-]+:[0-9]+:storage-configuration/[a-zA-Z0-9-]+$", 0, 128),
    (r".*-----BEGIN\r?\n([a-z\r\n]+)\r?\n-----END(\r?\n)?.*", 1, 400),
]


@pytest.mark.parametrize(("expression", "least", "most"), PATTERNS)
def test_near_misses_miss_and_nothing_else_is_wrong_with_them(expression, least, most):
    texts = [text for _, text in pattern.near_misses(expression, least, most)]
    assert len(texts) >= 5
    assert all(re.fullmatch(expression, text) is None for text in texts)
    assert all(least <= len(text) <= most for text in texts)


@pytest.mark.parametrize(("expression", "least", "most"), PATTERNS)
def test_what_is_made_to_match_matches(expression, least, most):
    assert re.fullmatch(expression, pattern.shortest(expression))
    longest = pattern.matching(expression, most)
    assert longest is not None and len(longest) == most and re.fullmatch(expression, longest)
    assert all(re.fullmatch(expression, text) for text in pattern.alphabets(expression, most))


def test_alphabets_show_every_character_of_a_set():
    shown = "".join(pattern.alphabets("[a-zA-Z0-9-_]*", 128))
    assert {character for character in map(chr, range(128)) if re.fullmatch("[a-zA-Z0-9-_]", character)} == set(shown)


def test_an_unknown_construct_is_not_passed_over():
    with pytest.raises(NotImplementedError):
        pattern.pieces("a(?=b)b")


def ruled_shapes():
    """Every text and number in the input of any operation of the model, implemented or not."""
    shapes = {}
    for name in service.model().operation_names:
        for spot in spots(service.model().operation_model(name)):
            if spot.shape.type_name in ("string", "integer"):
                shapes[spot.shape.name] = spot.shape
    return list(shapes.values())


@pytest.mark.parametrize("shape", ruled_shapes(), ids=lambda shape: shape.name)
def test_values_keep_and_break_the_rules_as_they_say(shape):
    for name, value in constraints.inside(shape):
        assert not list(answers.broken(shape, value)), f"{name}: {value!r}"
    for name, value in constraints.outside(shape):
        assert list(answers.broken(shape, value)), f"{name}: {value!r}"


def test_brackets_in_an_excuse_stand_for_themselves():
    excuse = excuses.Excuse("List/answer/events[].new*", "a reason")
    assert excuse.covers("List/answer/events[].newToken")
    assert not excuse.covers("List/answer/events.newToken")


class Bad:
    """An answer that is wrong in every possible place."""

    request = "POST /ListParticipantReplicas"

    @staticmethod
    def json():
        return {"replicas": [{"participantId": "?", "replicationState": "ASLEEP", "more": 1}], "nextToken": 5}


def test_the_ledger_tells_each_fault_at_its_place():
    operation = service.model().operation_model("ListParticipantReplicas")
    ledger = answers.Ledger()
    ledger.enter(operation, Bad())
    faulty = {place for place in answers.places(operation) if ledger.line(operation, place).faults}
    assert faulty == {
        answers.UNKNOWN,
        "nextToken",
        "replicas[].participantId",
        "replicas[].replicationState",
        "replicas[].sourceStageArn",
        "replicas[].sourceSessionId",
        "replicas[].destinationStageArn",
        "replicas[].destinationSessionId",
    }


def page():
    return members.PAGE.read_text(encoding="utf-8")


def test_the_page_of_operations_and_members_is_what_the_tables_say():
    assert page() == members.page(), "python -m suite.members writes it anew"


@pytest.mark.parametrize("limit", members.limits(), ids=lambda limit: limit.members)
def test_each_limit_covers_a_member(limit):
    served = (path for operation in service.served() for path in members.paths(operation))
    assert any(map(limit.covers, served)), "no member has this name: take the line out"


def names_in(shape, above=()):
    """Names of all members of a shape and of what is in it."""
    if shape is None or shape.name in above:
        return
    for name, member in getattr(shape, "members", {}).items():
        header = member.serialization["name"] if service.location(member) == "header" else None
        yield header or name
        yield from names_in(member, (*above, shape.name))
    for inner in ("member", "key", "value"):
        yield from names_in(getattr(shape, inner, None), (*above, shape.name))


@pytest.mark.parametrize("name", service.model().operation_names)
def test_the_page_names_every_operation_and_every_member(name):
    operation = service.model().operation_model(name)
    state = "complete" if operation in service.served() else "not yet"
    parts = re.findall(rf"^## {name}: {state}\n(.*?)(?=^## |\Z)", page(), re.MULTILINE | re.DOTALL)
    assert len(parts) == 1, f"{name} must stand there once, as {state}"
    taken, given = parts[0].split("\nOut: ")
    for shape, text in ((operation.input_shape, taken), (operation.output_shape, given)):
        missing = [member for member in names_in(shape) if not re.search(rf"[`. ]{member}(\[\])?[`.]", text)]
        assert not missing, f"{name} says nothing of {missing}"
