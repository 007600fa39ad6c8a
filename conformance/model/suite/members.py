"""docs/compatibility-model.md: every operation of the service's model, every member of it, and its state here. The page
is written from the suite's own tables.

`python -m suite.members` in conformance/model writes it anew.
"""

import dataclasses
import tomllib

from . import answers, excuses, service
from .spot import spots

PAGE = service.HERE.parents[1] / "docs" / "compatibility-model.md"

TABLE = service.HERE / "limited.toml"

LEGEND = """\
This page is generated from the service's model and the tables of the conformance suite (`conformance/model`), and a
test compares it with both. [compatibility.md](compatibility.md) describes the behaviour behind it.

A member in parentheses is a part of the member before it; `[]` marks a list of such members.

- **complete**: the operation is implemented. The tests send every input member with values on both sides of each of
  its constraints. They have seen every output member with a value that keeps its constraints. Exceptions are listed
  below the members.
- **not yet**: the operation is answered as an unknown one (UnknownOperationException), whatever its input is.
"""


def page():
    """The text of the whole page."""
    table = excuses.excuses()
    implemented, all_of_them = len(service.served()), len(service.model().operation_names)
    count = f"{implemented} of the {all_of_them} operations are implemented.\n"
    parts = ["# Every operation and member\n", LEGEND, count]
    parts += [part for operation in service.served() for part in complete(operation, table)]
    parts += [part for operation in sorted(service.not_served(), key=name_of) for part in missing(operation)]
    return "\n".join(parts)


@dataclasses.dataclass(frozen=True)
class Limit:
    """Members that do less than their name says, as a glob over `Operation/in/path` and `Operation/out/path`."""

    members: str
    says: str

    def covers(self, name):
        return excuses.matches(self.members, name)


def limits():
    return [Limit(**row) for row in tomllib.loads(TABLE.read_text())["limited"]]


def paths(operation):
    """Every member as `Operation/in/path` and `Operation/out/path`."""
    yield from (f"{operation.name}/in/{path}" for path in inputs(operation))
    yield from (f"{operation.name}/out/{path}" for path in outputs(operation))


def complete(operation, table):
    yield f"## {operation.name}: complete\n"
    yield f"In: {listed(inputs(operation))}.\n"
    yield from remarks(operation, "in", {})
    excused = {place: reason_of(table, operation, place) for place in outputs(operation)}
    yield f"Out: {listed([place for place, reason in excused.items() if reason is None])}.\n"
    yield from remarks(operation, "out", {place: reason for place, reason in excused.items() if reason is not None})


def remarks(operation, side, excused):
    """Remarks about single members; members with the same remark are grouped."""
    said = {}
    for place in inputs(operation) if side == "in" else outputs(operation):
        # Of several matching lines of the table, the last is the most specific.
        fitting = [limit.says for limit in limits() if limit.covers(f"{operation.name}/{side}/{place}")]
        if place in excused or fitting:
            said.setdefault(excused.get(place) or fitting[-1], []).append(place)
    lines = [f"- {', '.join(f'`{place}`' for place in places)}: {what}." for what, places in said.items()]
    if lines:
        yield "\n".join(lines) + "\n"


def missing(operation):
    yield f"## {operation.name}: not yet\n"
    yield f"In: {listed(inputs(operation))}.\n"
    yield f"Out: {listed(outputs(operation))}.\n"


def name_of(operation):
    return operation.name


def inputs(operation):
    """Paths of all members of the input. A map or a list of values counts as one member."""
    return [str(spot) for spot in spots(operation) if str(spot)[-1] not in "]}"]


def outputs(operation):
    """Paths of all members of the output."""
    return [place for place in answers.places(operation) if place != answers.UNKNOWN]


def reason_of(table, operation, place):
    """Why a member of an answer is excused, or None."""
    name = f"{operation.name}/answer/{place}"
    return next((excuse.reason for excuse in table if excuse.covers(name)), None)


def listed(paths):
    """Names with their parts in parentheses: `stage` (`arn`, `name`), `events[]` (`name`)."""
    return written(paths) or "nothing"


def written(paths):
    parts = {}
    for path in paths:
        name, _, rest = path.partition(".")
        # A list's members follow the list itself; they show that it has any.
        known = parts.setdefault(name.removesuffix("[]"), {"mark": name, "rest": []})
        if rest:
            known["mark"] = name
            known["rest"].append(rest)
    return ", ".join(
        f"`{part['mark']}`" + (f" ({written(part['rest'])})" if part["rest"] else "") for part in parts.values()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
