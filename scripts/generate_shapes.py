"""Writes the shapes, rules and operations of crates/restage-api, and tests of them, from the service's model.

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
from shapes.samples import Samples

ROOT = pathlib.Path(__file__).resolve().parents[1]
CRATE = ROOT / "crates/restage-api"
# Requests just inside and just outside of each rule are made by the conformance suite, which shares nothing with the
# generator but the model.
sys.path += [str(ROOT / "conformance/model"), str(ROOT / "conformance/python")]


def formatted(text):
    """The text as rustfmt writes it."""
    command = ["rustfmt", "--edition", "2024", "--config", "style_edition=2024"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"rustfmt refuses what was generated:\n{done.stderr}\n{text}")
    return done.stdout


def generated():
    """Text by path of every file."""
    from suite import parsing

    writer = Writer(Model(*load()))
    files = {CRATE / "src" / name: formatted(text) for name, text in writer.files().items()}
    files[CRATE / "tests/model/answers.rs"] = formatted(Samples(writer).text())
    files[CRATE / "tests/model/requests.json"] = parsing.text()
    return files


def stale(path, text):
    return not path.exists() or path.read_text(encoding="utf-8") != text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    check = parser.parse_args().check
    files = generated()
    changed = [path for path, text in files.items() if stale(path, text)]
    changed += sorted(set((CRATE / "src/generated").glob("*.rs")) - set(files))
    if check and changed:
        names = "\n".join(str(path.relative_to(ROOT)) for path in changed)
        sys.exit(f"not what scripts/generate_shapes.py writes:\n{names}")
    for path in () if check else changed:
        if path in files:
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()


if __name__ == "__main__":
    main()
