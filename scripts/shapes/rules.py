"""The rule of each simple shape: as a Rust constant, and in words for the documentation of a field."""

import re

from .model import Unknown
from .names import screaming

ARN = re.compile(r"arn:aws:ivs:\[a-z0-9-\]\+:\[0-9\]\+:([a-z-]+)/\[a-zA-Z0-9-\]\+")
# The model's integers have 32 bits.
INTEGER_MAX = 2**31 - 1
PATTERNS = {
    None: ("Pattern::Any", "any text"),
    "[a-zA-Z0-9-_]*": ("Pattern::Word", "ASCII letters, digits, hyphens and underscores"),
    "[a-z0-9-.]+": ("Pattern::BucketName", "ASCII lower-case letters, digits, hyphens and dots"),
    "st-[a-zA-Z0-9]+": ("Pattern::Session", "a session id"),
    "[a-zA-Z0-9+/=_-]*": ("Pattern::PageToken", "a page token"),
}
# Patterns of the choices, in words.
CHOSEN = {
    "Pattern::Any": "any text",
    "Pattern::Storable": "any text without U+0000",
    "Pattern::AnyArn": "an ARN of any kind of resource",
}


class Rules:
    """Constants and words by shape."""

    def __init__(self, model):
        self.model = model
        self.used = {}

    def constant(self, name):
        """The constant that holds a shape's rule, which is written if somebody asks for it."""
        constant = screaming(name)
        self.used[name] = constant
        return constant

    def text(self, name):
        """(least, most, Rust pattern, words) of a text."""
        shape, chosen = self.model.shapes[name], self.model.choices["text"].get(name, {})
        least, most = chosen.get("min", shape.get("min", 0)), chosen.get("max", shape.get("max"))
        if most is None:
            raise Unknown(f"{name} has no bound: give it one in [text]")
        if "pattern" in chosen:
            return least, most, chosen["pattern"], CHOSEN[chosen["pattern"]]
        return (least, most, *self.pattern(name, shape.get("pattern"), least))

    def pattern(self, name, expression, least):
        """(Rust pattern, words) of a regular expression of the model."""
        if expression is not None and (arn := ARN.fullmatch(expression)):
            return f'Pattern::Arn("{arn[1]}")', f"the ARN of {article(arn[1])} {arn[1].replace('-', ' ')}"
        if expression is not None and expression.startswith("^$|^") and (arn := ARN.fullmatch(expression[4:-1])):
            words = f"empty, or the ARN of {article(arn[1])} {arn[1].replace('-', ' ')}"
            return f'Pattern::ArnOrEmpty("{arn[1]}")', words
        # What must have a character has one by its length.
        if expression not in PATTERNS and expression.endswith("+") and least > 0:
            expression = expression[:-1] + "*"
        if expression not in PATTERNS:
            raise Unknown(f"{name}: no matcher for the pattern {expression}")
        return PATTERNS[expression]

    def bounds(self, name):
        shape = self.model.shapes[name]
        return shape.get("min", 0), shape.get("max")

    def words(self, name):
        """A shape's rule for people."""
        shape = self.model.shapes[name]
        kind = shape["type"]
        least, most = self.bounds(name)
        if "enum" in shape or kind in ("boolean", "structure"):
            return None
        if name == "PaginationToken":
            return "`None` for the first page"
        if kind == "string":
            least, most, _, words = self.text(name)
            return f"{words}, {span(least, most, 'character')}"
        if kind in ("integer", "float"):
            return span(least, INTEGER_MAX if most is None else most, None)
        if self.model.choices["maps"].get(name) == "attributes":
            return (
                "at most [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES) bytes, keys and values together"
            )
        return span(least, most, "entry")

    def written(self):
        """All constants that were asked for, as Rust."""
        while True:
            before = len(self.used)
            lines = [self.definition(name, constant) for name, constant in sorted(self.used.items())]
            if len(self.used) == before:
                return lines

    def definition(self, name, constant):
        kind = self.model.shapes[name]["type"]
        least, most = self.bounds(name)
        if kind == "string":
            least, most, pattern, _ = self.text(name)
            return f"pub(crate) const {constant}: Text = Text::new({number(least)}, {number(most)}, {pattern});"
        if kind == "integer":
            most = INTEGER_MAX if most is None else most
            return f"pub(crate) const {constant}: Range = Range::new({number(least)}, {number(most)});"
        if most is None:
            raise Unknown(f"{name} has no bound")
        if kind == "float":
            return f"pub(crate) const {constant}: Decimals = Decimals::new({decimal(least)}, {decimal(most)});"
        count = f"Count::new({number(least)}, {number(most)})"
        if kind == "list":
            return f"pub(crate) const {constant}: Count = {count};"
        key, value = (self.constant(self.model.shapes[name][part]["shape"]) for part in ("key", "value"))
        return f"pub(crate) const {constant}: Entries = Entries {{ count: {count}, key: {key}, value: {value} }};"


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def number(value):
    """A number as Rust writes it, in groups of three."""
    return f"{value:,}".replace(",", "_")


def decimal(value):
    return f"{value}.0"


def span(least, most, noun):
    """`1–128 characters`."""
    if most is None:
        raise Unknown(f"a number of {noun}s without a bound")
    digits = f"{least:,}–{most:,}" if least != most else f"{most:,}"
    if noun is None:
        return digits
    plural = {"character": "characters", "entry": "entries"}[noun]
    return f"{digits} {noun if (least, most) == (1, 1) else plural}"
