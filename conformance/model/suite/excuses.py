"""The one table of what restage does otherwise, and why."""

import dataclasses
import fnmatch
import re
import tomllib

from .service import HERE

TABLE = HERE / "excused.toml"


def matches(glob, name):
    """Whether a glob over names is about this one. Brackets stand for themselves: they are in the names of lists."""
    return fnmatch.fnmatchcase(name, re.sub(r"\[", "[[]", glob))


@dataclasses.dataclass(frozen=True)
class Excuse:
    """A glob over case names, with the reason."""

    cases: str
    reason: str

    def covers(self, name):
        return matches(self.cases, name)


def excuses():
    return [Excuse(**row) for row in tomllib.loads(TABLE.read_text()).get("excused", [])]
