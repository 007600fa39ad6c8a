"""docs/members.md: every operation of the model, every member, and its state here, from the suite's own tables.

`python -m suite.members` in conformance/model writes it anew.
"""

from . import answers, excuses, service
from .spot import spots

PAGE = service.HERE.parents[1] / "docs" / "members.md"

HEAD = """\
# Operations and members

Written from the service's model and the tables of the conformance suite (`conformance/model`); a test holds it to both.
Members that stand here are complete: as input every rule of theirs is tested on both sides, as output they were seen
and kept their rules. What is otherwise is said with its reason.
"""


def text():
    parts = [HEAD]
    table = excuses.excuses()
    for operation in service.served():
        parts.append(f"## {operation.name}\n")
        # Maps and lists are one member, whatever is in them.
        inputs = [str(spot) for spot in spots(operation) if str(spot)[-1] not in "]}"]
        parts.append(f"In: {listed(inputs)}.\n")
        outputs = [place for place in answers.places(operation) if place != answers.UNKNOWN]
        excused = {place: reason_of(table, operation, place) for place in outputs}
        complete = [place for place in outputs if excused[place] is None]
        parts.append(f"Out: {listed(complete)}.\n")
        reasons = {}
        for place, reason in excused.items():
            if reason is not None:
                reasons.setdefault(reason, []).append(place)
        parts.extend(f"- {listed(members)}: {reason}.\n" for reason, members in reasons.items())
    names = sorted(operation.name for operation in service.not_served())
    parts.append(f"## Not there yet\n\n{listed(names)}: answered as unknown operations.\n")
    return "\n".join(parts)


def listed(names):
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def reason_of(table, operation, place):
    name = f"{operation.name}/answer/{place}"
    return next((excuse.reason for excuse in table if excuse.covers(name)), None)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
