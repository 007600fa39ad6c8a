"""A case: one or a few requests, and what they must come to."""

import dataclasses
import typing

from . import answers, service


class Mismatch(Exception):
    """The server did something else; the text says what was asked, what came and what was due."""


@dataclasses.dataclass(frozen=True)
class Case:
    """`check` is given the world and raises `Mismatch`."""

    name: str
    check: typing.Callable

    def __str__(self):
        return self.name


def mismatch(answer, due):
    return Mismatch(f"asked   {answer.request}\nanswer  {answer}\ndue     {due}")


def sound(operation, answer):
    """Fails unless the answer is one that may come from this operation at all."""
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
    """Refused with one of these codes, by a sentence that names the member."""
    sound(operation, answer)
    if answer.code not in codes:
        raise mismatch(answer, " or ".join(codes))
    if naming is not None and naming not in answer.message:
        raise mismatch(answer, f"{answer.code} naming {naming}")
    return answer


def not_there(operation):
    """The code for well-formed text that names nothing: not every operation models a 404."""
    there = "ResourceNotFoundException"
    return there if there in service.errors(operation) else "ValidationException"
