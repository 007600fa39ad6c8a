"""The table of restage's deviations from the model, with reasons."""

import dataclasses
import fnmatch
import re
import tomllib

from .service import HERE

TABLE = HERE / "excused.toml"


def matches(glob, name):
    """Whether a glob over names matches this one. Brackets are literal, because names of lists contain them."""
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
