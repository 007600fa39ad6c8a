"""Texts just inside and just outside a regular expression.

The patterns of the model are few and plain: fixed text, sets of characters, repetitions. Anything else raises, so that
a new construct is not silently left untested.
"""

import dataclasses
import functools
import re
from re import _constants as op
from re import _parser as parser  # the one parser that agrees with `re` about every pattern

UNBOUNDED = 1 << 30
# Characters to violate a set with, the most obvious first.
INTRUDERS = "!. é/:\n\x00"
# Length of the last run in a text that violates another part, where its length is free.
FILL = 9
ASCII = [chr(code) for code in range(0x20, 0x7F)]


@dataclasses.dataclass
class Fixed:
    """Literal text."""

    text: str


@dataclasses.dataclass
class Run:
    """`least` to `most` characters of a set."""

    expression: str
    least: int
    most: int

    def has(self, character):
        return re.fullmatch(self.expression, character) is not None

    def characters(self):
        return "".join(character for character in ASCII if self.has(character))

    def first(self):
        return next(character for character in "a0" + self.characters() if self.has(character))


def pieces(pattern):
    """The pattern as a sequence of `Fixed` and `Run`."""
    return merged(read(parser.parse(pattern)))


def read(items):
    for code, argument in items:
        if code is op.LITERAL:
            yield Fixed(chr(argument))
        elif code is op.AT:
            continue  # patterns are matched as a whole anyway
        elif code is op.SUBPATTERN:
            yield from read(argument[-1])
        elif code is op.BRANCH:
            yield from read(max(argument[1], key=len))
        elif code in (op.IN, op.ANY):
            yield Run(expression(code, argument), 1, 1)
        elif code is op.MAX_REPEAT:
            yield from repeated(*argument)
        else:
            raise NotImplementedError(f"{code} in a pattern")


def repeated(least, most, items):
    inner = list(items)
    most = UNBOUNDED if most is op.MAXREPEAT else most
    if len(inner) == 1 and inner[0][0] in (op.IN, op.ANY):
        yield Run(expression(*inner[0]), least, most)
    elif least > 0:
        raise NotImplementedError(f"a repeated {inner}")
    # Optional parts are left out.


def expression(code, argument):
    """A set of characters as an expression again."""
    if code is op.ANY:
        return "."
    parts = []
    for kind, value in argument:
        if kind is op.LITERAL:
            parts.append(re.escape(chr(value)))
        elif kind is op.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        elif kind is op.CATEGORY and value is op.CATEGORY_SPACE:
            parts.append(r"\s")
        else:
            raise NotImplementedError(f"{kind} {value} in a set")
    return f"[{''.join(parts)}]"


def merged(items):
    """Joins adjacent literal characters."""
    result = []
    for item in items:
        if isinstance(item, Fixed) and result and isinstance(result[-1], Fixed):
            result[-1] = Fixed(result[-1].text + item.text)
        else:
            result.append(item)
    return result


def rendered(items, fill=0):
    """The texts of the pieces, with `fill` more characters in the last run that may grow."""
    growing = next((item for item in reversed(items) if isinstance(item, Run) and item.most == UNBOUNDED), None)
    for item in items:
        if isinstance(item, Fixed):
            yield item.text
        else:
            yield item.first() * (item.least + (fill if item is growing else 0))


def render(items, fill=0):
    """A text that matches."""
    return "".join(rendered(items, fill))


def matching(pattern, length):
    """A matching text of this length, or None if there is none."""
    items = pieces(pattern)
    fill = length - len(render(items))
    text = render(items, fill) if fill >= 0 else None
    return text if text is not None and len(text) == length and re.fullmatch(pattern, text) else None


def shortest(pattern):
    return render(pieces(pattern))


def alphabets(pattern, most):
    """Texts that use all ASCII characters of each set of the pattern, in several texts if they are too many."""
    items = pieces(pattern)
    for index, item in enumerate(items):
        if not isinstance(item, Run) or item.most != UNBOUNDED:
            continue
        room = most - len(render(items)) + item.least
        characters = item.characters()
        for start in range(0, len(characters), room):
            part = characters[start : start + room]
            text = "".join(part if at == index else render([other]) for at, other in enumerate(items))
            if re.fullmatch(pattern, text):
                yield text


def near_misses(pattern, least, most):
    """(reason, text) of texts that violate the pattern in exactly one place."""
    items = pieces(pattern)
    for why, make in breakages(items):
        text = make(FILL)
        room = max(least - len(text), 0) - max(len(text) - most, 0)
        text = make(max(FILL + room, 0)) if room else text
        if least <= len(text) <= most and re.fullmatch(pattern, text) is None:
            yield why, text


def breakages(items):
    """(reason, function from the fill characters of the last run to a text)."""

    def without(index, change):
        return lambda fill: "".join(
            change(text) if at == index else text for at, text in enumerate(rendered(items, fill))
        )

    for index, item in enumerate(items):
        if isinstance(item, Fixed):
            yield f"piece-{index}-missing", without(index, lambda _: "")
            yield f"piece-{index}-other-case", without(index, str.swapcase)
            yield f"piece-{index}-cut", without(index, lambda text: text[:-1])
            yield f"piece-{index}-doubled", without(index, lambda text: text * 2)
            continue
        if item.least > 0:
            yield f"run-{index}-empty", without(index, lambda _: "")
        for intruder in INTRUDERS:
            if not item.has(intruder):
                change = functools.partial(str.__add__, intruder)
                yield f"run-{index}-with-u{ord(intruder):04x}", without(index, change)
    for name, intruder in (("space", " "), ("newline", "\n")):
        yield f"{name}-before", lambda fill, intruder=intruder: intruder + render(items, fill)
        yield f"{name}-after", lambda fill, intruder=intruder: render(items, fill) + intruder
