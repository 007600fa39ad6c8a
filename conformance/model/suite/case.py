"""A case: one or a few requests, and the expected results."""

import dataclasses
import typing

from . import answers, service


class Mismatch(Exception):
    """The server behaved differently; the text has the request, the answer and the expectation."""


@dataclasses.dataclass(frozen=True)
class Case:
    """`check` gets the world and raises `Mismatch`."""

    name: str
    check: typing.Callable

    def __str__(self):
        return self.name


def mismatch(answer, due):
    return Mismatch(f"asked   {answer.request}\nanswer  {answer}\ndue     {due}")


def sound(operation, answer):
    """Fails unless this operation may give such an answer."""
    faults = list(answers.faults_of_any(operation, answer))
    if faults:
        raise mismatch(answer, "; ".join(faults))
    return answer


def accepted(operation, answer):
    sound(operation, answer)
    if answer.status != operation.http["responseCode"]:
        raise mismatch(answer, f"{operation.http['responseCode']}: nothing is wrong with it")
    return answer


def refused(operation, answer, *codes, naming=None):
    """The request was refused with one of these codes, and the message names the member."""
    sound(operation, answer)
    if answer.code not in codes:
        raise mismatch(answer, " or ".join(codes))
    if naming is not None and naming not in answer.message:
        raise mismatch(answer, f"{answer.code} naming {naming}")
    return answer


def not_there(operation):
    """The code for valid text that names nothing: not every operation models a 404."""
    there = "ResourceNotFoundException"
    return there if there in service.errors(operation) else "ValidationException"
