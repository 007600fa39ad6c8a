"""Reads Rust source files line by line, as far as the checks of the crates' boundaries need it.

It is no parser. It knows comments, string literals, items that are compiled for tests only, and paths such as
`crate::a::b` with braces, which is what rustfmt leaves in this repository.
"""

import re

# What is inside quotes is neither code nor a brace. Raw strings come first, as they have other ends.
LITERAL = re.compile(r"""r(#*)".*?"\1|"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'""")
COMMENT = re.compile(r"(?<!:)//.*")
TEST_ONLY = re.compile(r"#!?\[cfg\((?!not\b).*\btest\b")
MODULE = re.compile(r"\bmod\s+(?:r#)?(\w+)\s*([;{])")
PATH_ATTRIBUTE = re.compile(r'#\[path\s*=\s*"([^"]+)"\]')


def code_of(line):
    """The line without comments and without what its string literals say."""
    return COMMENT.sub("", LITERAL.sub('""', line))


def shipped_lines(text):
    """(number, code) of the lines that are compiled into what ships: no comments, no items under `#[cfg(test)]`."""
    skipping = False
    depth = 0
    began = False
    for number, line in enumerate(text.splitlines(), 1):
        code = code_of(line)
        if not code.strip():
            continue
        if not skipping and TEST_ONLY.search(code):
            skipping, depth, began = True, 0, False
            code = code[code.index("]") + 1 :]
        if not skipping:
            yield number, code
            continue
        for character in code:
            if character in "{([":
                depth += 1
                began = began or character == "{"
            elif character in "})]":
                depth -= 1
            is_over = ((character == "}" and began) or character == ";") and depth == 0
            if is_over:
                skipping = False


def test_modules(text):
    """The names of the modules that a file declares under `#[cfg(test)]`, in files of their own."""
    names = set()
    pending = False
    for line in text.splitlines():
        code = code_of(line).strip()
        if TEST_ONLY.search(code):
            pending = True
        found = MODULE.search(code)
        if pending and found:
            names.add(found[1])
        if code and not code.startswith("#"):
            pending = False
    return names


def files(source):
    """The source files below a folder that ship, as paths."""
    tests = set()
    for path in source.rglob("*.rs"):
        folder = path.parent if path.stem in {"mod", "lib", "main"} else path.parent / path.stem
        for name in test_modules(path.read_text(encoding="utf-8")):
            tests.update({folder / f"{name}.rs", folder / name})
    for path in sorted(source.rglob("*.rs")):
        is_test = path in tests or any(parent in tests for parent in path.parents)
        if not is_test and not path.stem.endswith(("_tests", "_test")) and path.stem != "tests":
            yield path


def split_tree(text):
    """The parts of `a, b::{c, d}, e` that are between the outermost commas."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def flatten(tree):
    """The paths that a `use` tree names: `a::{b, c::d}` is `a::b` and `a::c::d`. Renames are left out."""
    head, brace, rest = tree.partition("{")
    if not brace:
        return [tree.split(" as ")[0].strip()]
    inside = rest[: rest.rindex("}")] if "}" in rest else rest
    return [head.strip() + path for part in split_tree(inside) for path in flatten(part)]


PATHS = re.compile(r"\b(?:crate|super)::(?:[\w:]|r#)*(?:\{)?")


def paths(text):
    """(number, path, inner) of paths that begin with `crate` or `super`; `inner` counts the inline modules around."""
    lines = list(shipped_lines(text))
    joined, starts = "", []
    for number, code in lines:
        starts.append((len(joined), number))
        joined += code + "\n"
    depth_at = inline_depths(joined)

    def number_of(at):
        return max(entry for entry in starts if entry[0] <= at)[1]

    for match in PATHS.finditer(joined):
        if match.start() and joined[match.start() - 1] in "$:":
            continue
        text = match[0]
        if text.endswith("{"):
            text += balanced(joined, match.end())
        for path in flatten(re.sub(r"\s+", " ", text)):
            yield number_of(match.start()), path.replace(" ", ""), depth_at(match.start())


def balanced(text, start):
    """The text from after an open brace to its end, the closing brace included."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start : at + 1]
    return text[start:]


def inline_depths(text):
    """A function from a place in the text to the number of inline modules around it."""
    spans = []
    for match in MODULE.finditer(text):
        if match[2] == "{":
            spans.append((match.end(), match.end() + len(balanced(text, match.end()))))
    return lambda at: sum(1 for start, end in spans if start <= at < end)
