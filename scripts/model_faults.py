"""Plants each fault of dev/models/faults.toml in a copy of the checked files, and fails unless its model finds it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "dev/models"
# The files of the crates that the models contain.
INCLUDED = re.compile(r'#\[path = "(?:\.\./)+(crates/[^"]+)"\]')
MODEL_LIMIT_S = 120


def copy(into):
    """The models and the files they contain, at the same places below a folder."""
    shutil.copytree(MODELS, into / "dev/models", ignore=shutil.ignore_patterns("target"))
    for name in INCLUDED.findall((MODELS / "src/main.rs").read_text()):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, into / name)


def cargo(tree, *arguments):
    target = os.environ.get("CARGO_TARGET_DIR") or str(ROOT / "target/models")
    environment = {**os.environ, "CARGO_TARGET_DIR": f"{target}/faults", "RUST_BACKTRACE": "0"}
    return subprocess.run(
        ["cargo", *arguments],
        cwd=tree / "dev/models",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MODEL_LIMIT_S,
        check=False,
    )


def found(tree, fault):
    """Why the fault is not found, or None if it is."""
    path = tree / fault["file"]
    sound = path.read_text()
    if sound.count(fault["old"]) != 1:
        return f"`old` is in the file {sound.count(fault['old'])} times; write it as the file has it now"
    path.write_text(sound.replace(fault["old"], fault["new"]))
    try:
        built = cargo(tree, "build", "--quiet", "--locked")
        if built.returncode:
            return f"it does not compile:\n{built.stdout}"
        ran = cargo(tree, "run", "--quiet", "--locked", "--", fault["model"])
    finally:
        path.write_text(sound)
    if "FAILS" in ran.stdout:
        return None
    return f"the model holds all the same:\n{ran.stdout}"


def main():
    faults = tomllib.loads((MODELS / "faults.toml").read_text())["fault"]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="restage-models.") as folder:
        tree = pathlib.Path(folder)
        copy(tree)
        for fault in faults:
            why = found(tree, fault)
            missed += why is not None
            print(f"{'found' if why is None else 'MISSED'}  {fault['model']}: {fault['says']}", flush=True)
            if why is not None:
                print(f"        {why}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults are found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
