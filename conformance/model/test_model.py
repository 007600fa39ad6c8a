"""Every operation against the vendor's model: inputs, signatures, outputs."""

import pytest

from suite import bodies, constraints, excuses, material, pages, references, service, showcase, signatures, wire
from suite.case import Mismatch, refused

# The ledger is evaluated after all other cases.
GENERATORS = (constraints, material, bodies, references, signatures, pages, showcase)
CASES = [case for generator in GENERATORS for operation in service.served() for case in generator.cases(operation)]
EXCUSES = excuses.excuses()


def parameters():
    made = []
    for case in CASES:
        excuse = next((excuse for excuse in EXCUSES if excuse.covers(case.name)), None)
        # Strict: an excused case that passes fails the run.
        marks = [pytest.mark.xfail(reason=excuse.reason, raises=pytest.fail.Exception, strict=True)] if excuse else []
        made.append(pytest.param(case, id=case.name, marks=marks))
    return made


@pytest.mark.parametrize("case", parameters())
def test_case(world, case):
    try:
        case.check(world)
        wrong = None
    except Mismatch as caught:
        wrong = caught
    if wrong:
        pytest.fail(str(wrong), pytrace=False)


def test_each_case_has_a_name_of_its_own():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("excuse", EXCUSES, ids=lambda excuse: excuse.cases)
def test_each_excuse_covers_a_case(excuse):
    assert any(excuse.covers(case.name) for case in CASES), "no case has this name: take the line out"


@pytest.mark.parametrize("operation", service.not_served(), ids=lambda operation: operation.name)
def test_other_operations_are_unknown(world, operation):
    values = {name: "x" for name, member in service.members(operation).items() if service.location(member) == "uri"}
    answer = world.send(operation, wire.request(operation, values))
    if answer.code != "UnknownOperationException":
        pytest.fail(f"{operation.name} is there: add it to operations.toml\n{answer}", pytrace=False)
    refused(operation, answer, "UnknownOperationException")
