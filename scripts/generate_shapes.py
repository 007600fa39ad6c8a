"""Writes the shapes, rules and operations of crates/restage-api from the service's model.

    .venv/bin/python scripts/generate_shapes.py            # writes the files anew
    .venv/bin/python scripts/generate_shapes.py --check    # fails if they are not what would be written

The model is the one of the installed botocore; what it does not say is in scripts/shapes/choices.toml.
"""

import argparse
import pathlib
import subprocess
import sys

from shapes.model import Model, load
from shapes.rust import Writer

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "crates/restage-api/src"


def formatted(text):
    """The text as rustfmt writes it."""
    command = ["rustfmt", "--edition", "2024", "--config", "style_edition=2024"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"rustfmt refuses what was generated:\n{done.stderr}\n{text}")
    return done.stdout


def stale(path, text):
    return not path.exists() or path.read_text(encoding="utf-8") != text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    check = parser.parse_args().check
    files = {SOURCE / name: formatted(text) for name, text in Writer(Model(*load())).files().items()}
    changed = [path for path, text in files.items() if stale(path, text)]
    known = {path for path in files if path.parent.name == "generated"}
    changed += sorted(set((SOURCE / "generated").glob("*.rs")) - known)
    if check and changed:
        names = "\n".join(str(path.relative_to(SOURCE)) for path in changed)
        sys.exit(f"not what scripts/generate_shapes.py writes:\n{names}")
    for path in () if check else changed:
        if path in files:
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()


if __name__ == "__main__":
    main()
