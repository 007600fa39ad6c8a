"""Plants bugs into a copy of the sources, one after the other. The simulator has to find each within 100 seeds.

A checker that never fails proves nothing. Each bug here is one that this kind of server really has: a number that is
off by one, a row that stays as it was, an event that is lost, a nonce that is used twice, an effect that comes too
early.

The copy is made in a temporary directory, of the files that git knows, as they are now. Compiling takes minutes at
first and less for each further bug. Exits with 1 if a bug is not found.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SEEDS = 100

HUNT = ("run", "-p", "restage-sim", "--", "hunt", "--failures", "1", "--output", "json")
STORE = ("test", "-p", "restage-sim", "--test", "store")


class Bug:
    """A bug: what is replaced by what in which file, and the command that has to fail."""

    def __init__(self, name, path, good, bad, command=HUNT):
        self.name = name
        self.path = path
        self.good = good
        self.bad = bad
        self.command = command

    def plant(self, copy):
        """Writes the bug into the copy and returns what puts the file back."""
        path = copy / self.path
        text = path.read_text()
        if text.count(self.good) != 1:
            raise SystemExit(f"error: {self.path} has {text.count(self.good)} places like this, not one:\n{self.good}")
        path.write_text(text.replace(self.good, self.bad))
        return lambda: path.write_text(text)


BUGS = [
    Bug(
        "an off-by-one in the sequence rewriter: the first number of another layer is the last one of the layer before",
        "crates/restage-media/src/send/rewrite/numbering.rs",
        "            from: number,\n            out: self.sent + 1,\n        });\n        self.seen = number;",
        "            from: number,\n            out: self.sent,\n        });\n        self.seen = number;",
    ),
    Bug(
        "a replica left ACTIVE when its publisher leaves for good",
        "crates/restage-core/src/live/replica.rs",
        "    row.active = false;\n    row.window_ends_at = None;",
        "    row.active = row.reconnect_window_s == 1;\n    row.window_ends_at = None;",
    ),
    Bug(
        "a lost outbox row: of a commit with more than five events the sixth is not written",
        "crates/restage-store/src/outbox/mod.rs",
        "in (self.next_seq..).zip(events) {",
        "in (self.next_seq..).zip(events.iter().take(5)) {",
        STORE,
    ),
    Bug(
        "a nonce reused: one index of SRTCP comes again",
        "crates/restage-media/src/srtp/srtcp.rs",
        "        self.own_index += 1;",
        "        self.own_index += u32::from(index != 12 || !buffer.len().is_multiple_of(3));",
    ),
    Bug(
        "an effect out of order: a publisher is attached before its former connection is closed",
        "crates/restage-core/src/kernel/draft/finish.rs",
        "        effects.extend(\n            self.changed_stages()",
        "        if let [Effect::Close { .. }, Effect::Publish { .. }, ..] = effects[..] {\n"
        "            effects.swap(0, 1);\n        }\n"
        "        effects.extend(\n            self.changed_stages()",
    ),
]


def copy_sources(to):
    """Copies the files that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in names.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file() and name.startswith(("crates/", "dev/", "Cargo.")):
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def cargo(copy, target, command, seeds):
    """Runs cargo in the copy. Its exit code and what it printed."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), RESTAGE_SIM_SEEDS=str(seeds))
    command = [*command, "--seeds", str(seeds)] if command is HUNT else [*command]
    release = [command[0], "--release", "--quiet", "--locked", *command[1:]]
    done = subprocess.run(["cargo", *release], cwd=copy, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def found_by(command, out, err):
    """What has found a bug: the seed and the check, in a line."""
    if command is HUNT:
        failure = json.loads(out)["failures"][0]
        return f"seed {failure['seed']}: {failure['reason'].splitlines()[0]}"
    lines = [line for line in (out + err).splitlines() if "seed " in line]
    return lines[0] if lines else "the test failed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds to try for each bug (default: %(default)s)")
    parser.add_argument("--target", type=pathlib.Path, default=ROOT / "target" / "planted", help="where to compile")
    parser.add_argument("--list", action="store_true", help="only list the bugs")
    options = parser.parse_args()
    if options.list:
        for bug in BUGS:
            print(bug.name)
        return 0
    missed = []
    with tempfile.TemporaryDirectory(prefix="restage-planted-") as folder:
        copy = pathlib.Path(folder)
        copy_sources(copy)
        for command in (HUNT, STORE):
            print("Without a bug …", file=sys.stderr)
            code, out, err = cargo(copy, options.target, command, options.seeds)
            if code:
                print(f"error: this fails without any bug:\n{out}{err}", file=sys.stderr)
                return 1
        for bug in BUGS:
            print(f"{bug.name} …", file=sys.stderr)
            began = time.monotonic()
            restore = bug.plant(copy)
            code, out, err = cargo(copy, options.target, bug.command, options.seeds)
            restore()
            if code and "error: could not compile" in err:
                print(f"error: it does not compile:\n{err}", file=sys.stderr)
                return 1
            verdict = found_by(bug.command, out, err) if code else f"NOT FOUND within {options.seeds} seeds"
            print(f"{bug.name}\n    {verdict[:300]} ({time.monotonic() - began:.0f} s)", flush=True)
            if not code:
                missed.append(bug.name)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
