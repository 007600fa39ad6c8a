"""A machine of its own for a test: systemd booted in namespaces, on a copy of this machine's files."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

BOOT = pathlib.Path(__file__).with_name("boot.sh")
BOOT_S = 60
COMMAND_S = 120


def cgroup2():
    """Where the hierarchy of control groups is that systemd needs, or None."""
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="ascii").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return pathlib.Path(place)
    return None


def missing():
    """Why no machine can be booted here, or None."""
    if os.geteuid() != 0:
        return "only root may boot systemd in namespaces"
    if not pathlib.Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    if cgroup2() is None:
        return "there is no cgroup2 that may be written"
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else f"unshare: {done.stderr.decode()}"


class Machine:
    """`with Machine(directory, packages) as machine`: booted, with `packages` at /srv/packages."""

    def __init__(self, directory, packages):
        self.directory = pathlib.Path(directory)
        self.packages = pathlib.Path(packages)
        self.group = cgroup2() / f"restage-trial-{os.getpid()}"
        self.process = None
        self.pid = None

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.group.mkdir()
        # Into the control group first, so that the new namespace of control groups begins there.
        start = f'echo $BASHPID >"{self.group}/cgroup.procs"; exec "$@"'
        flags = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
        self.process = subprocess.Popen(
            ["bash", "-c", start, "bash", "unshare", *flags, str(BOOT), str(self.directory), str(self.packages)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            self._await_boot()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _await_boot(self):
        ends_at = time.monotonic() + BOOT_S
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"systemd did not boot: {self.process.stdout.read()}")
            with contextlib.suppress(OSError, IndexError):
                children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
                self.pid = int(children.split()[0])
                # Before pivot_root the same process is a shell, in the files of this machine.
                if (
                    pathlib.Path(f"/proc/{self.pid}/comm").read_text() == "systemd\n"
                    and self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"
                ):
                    return
            assert time.monotonic() < ends_at, f"systemd was not up within {BOOT_S} s: {self.state()}"
            time.sleep(0.1)

    def state(self):
        jobs = self.run("systemctl", "list-jobs", check=False)
        failed = self.run("systemctl", "--failed", "--no-pager", check=False)
        return f"{jobs.stdout}{jobs.stderr}{failed.stdout}"

    def __exit__(self, *_):
        # `unshare --kill-child`: the first process of the namespace dies with it, and all others with that one.
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        ends_at = time.monotonic() + BOOT_S
        while self.group.exists():
            for place in sorted(self.group.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    place.rmdir()
            with contextlib.suppress(OSError):
                self.group.rmdir()
            assert time.monotonic() < ends_at, f"{self.group} still has processes"
            time.sleep(0.05)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def root(self):
        """The files of the machine, as seen from here."""
        return pathlib.Path(f"/proc/{self.pid}/root")

    def _run(self, flags, command, check, **more):
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *flags, "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            **more,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def run(self, *command, check=True):
        """Runs a command on the machine."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        flags = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd"]
        return self._run(flags, command, check, env=environment)

    def beside(self, *command, check=True, env=None):
        """Runs a command of this machine's files in the network of the other one."""
        return self._run(["--net"], command, check, env=env)
