"""Checks that every test which a document names exists, so that the names do not rot.

A document names a test as `file::test`: `file` is the end of one path in the repository, and `test` a function of
Python or Rust that is a test, or the title of one in JavaScript. Paths in backticks must be there, too, and so must
functions whose names begin with `test_`.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ("SECURITY.md", "docs/reliability.md")
# Every row of a table below this heading of this document says what shows it.
THREATS = ("SECURITY.md", "## Threat model")
# What a row says that no test can show.
NOT_TESTED = "Not tested"

CODE = re.compile(r"`([^`\n]+)`")
SUFFIXES = (".py", ".rs", ".js", ".sh", ".toml", ".md")
RUST_TEST = r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn {}\("


def tracked():
    """The paths of the repository, with those that are new."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


class Tests:
    """The files of a repository, and the tests in them."""

    def __init__(self, paths, read):
        self.paths = paths
        self.read = read

    def ending(self, end):
        """The paths that end so, at a border between folders."""
        return [path for path in self.paths if path == end or path.endswith("/" + end)]

    def has(self, path, name):
        """Whether a file has this test."""
        text = self.read(path)
        if path.endswith(".py"):
            return re.search(rf"^\s*(?:async )?def {re.escape(name)}\(", text, re.MULTILINE) is not None
        if path.endswith(".rs"):
            return re.search(RUST_TEST.format(re.escape(name)), text) is not None
        titles = re.findall(r"""\btest\(\s*(["'`])(.+?)\1""", text)
        return name in (title for _, title in titles)

    def fault(self, code):
        """What is wrong with something in backticks, or None."""
        if "::" in code and code.partition("::")[0].endswith(SUFFIXES):
            return self.fault_of_test(*code.split("::", 1))
        word = code.split()[0].rstrip(",")
        if word.endswith(SUFFIXES) and "/" in word and not word.startswith(("http", "/")) and "*" not in word:
            return None if self.ending(word) else f"there is no file {word}"
        if re.fullmatch(r"test_\w+", code):
            files = (path for path in self.paths if path.rsplit("/", 1)[-1].startswith("test_"))
            return None if any(self.has(path, code) for path in files) else f"there is no test {code}"
        if re.fullmatch(r"test_\w+\.py", code):
            return None if self.ending(code) else f"there is no file {code}"
        return None

    def fault_of_test(self, end, name):
        """What is wrong with the name of a test, or None."""
        found = self.ending(end)
        if len(found) != 1:
            return f"{len(found)} files end with {end}"
        return None if self.has(found[0], name) else f"{found[0]} has no test {name}"


def faults(document, text, tests):
    """Complaints about a document, each with its line."""
    is_below = False
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{document}:{number}"
        for code in CODE.findall(line):
            fault = tests.fault(code)
            if fault:
                yield f"{place}: {fault}"
        is_below = is_below or (document, line) == THREATS
        is_row = line.startswith("| ") and not line.startswith("| attack |")
        if is_below and is_row and not shows(line):
            yield f"{place}: this row names no test, and does not say `{NOT_TESTED}` and why"


def shows(row):
    """Whether a row of the threat model names a test, or says why there is none."""
    last = row.rstrip("| ").rsplit(" | ", 1)[-1]
    return NOT_TESTED in last or any("::" in code for code in CODE.findall(last))


def main():
    tests = Tests(tracked(), lambda path: (ROOT / path).read_text(errors="replace"))
    found = [fault for name in DOCUMENTS for fault in faults(name, (ROOT / name).read_text(), tests)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
