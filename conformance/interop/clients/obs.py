"""OBS Studio on a screen of its own (Xvfb), which publishes by RTMP: python obs.py publish SERVER STREAM_KEY

Its settings are those of docs/ingest.md, in the advanced output mode. It shows a film that is encoded before, so that
pictures and sound come from one place. `python obs.py missing` says what is not installed, and exits with 1.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from matrix.clients import ffmpeg  # noqa: E402

NAME = "restage"
SCENE, FILM = "Scene", "Film"
WIDTH, HEIGHT, RATE = 640, 360, 30
SECONDS = 20
# Xvfb says which display it has taken within this time.
SCREEN_S = 20
STOP_S = 10

# Settings → Output (advanced mode) → Streaming, and → Audio.
OUTPUT = f"""
[General]
Name={NAME}
[Output]
Mode=Advanced
[AdvOut]
Encoder=obs_x264
AudioEncoder=ffmpeg_aac
TrackIndex=1
Track1Bitrate=128
ApplyServiceSettings=false
[Video]
BaseCX={WIDTH}
BaseCY={HEIGHT}
OutputCX={WIDTH}
OutputCY={HEIGHT}
FPSType=0
FPSCommon={RATE}
[Audio]
SampleRate=48000
ChannelSetup=Stereo
"""
ENCODER = {
    "rate_control": "CBR",
    "bitrate": 800,
    "keyint_sec": 1,
    "preset": "ultrafast",
    "profile": "baseline",
    "tune": "zerolatency",
    "bf": 0,
}
# Without it OBS would open windows that wait for an answer.
PROGRAM = f"""
[General]
FirstRun=true
LastVersion=4294967295
EnableAutoUpdates=false
[Basic]
Profile={NAME}
ProfileDir={NAME}
SceneCollection={NAME}
SceneCollectionFile={NAME}
ConfigOnNewProfile=false
"""


def say(**what):
    print(json.dumps(what), flush=True)


def missing():
    """What is not installed, as one sentence, or nothing."""
    for program, package in (("obs", "obs-studio"), ("Xvfb", "xvfb")):
        if not shutil.which(program):
            return f"{program} is not installed (Debian package {package})"
    return ""


def make_film(path):
    """Encodes what OBS will show again and again."""
    pictures = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}"
    command = [ffmpeg(), "-v", "error", "-f", "lavfi", "-i", pictures]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", str(SECONDS)]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def scenes(film):
    """One scene that the film fills."""
    source = {"id": "ffmpeg_source", "name": FILM, "mixers": 255, "volume": 1.0, "enabled": True, "muted": False}
    source["settings"] = {"local_file": str(film), "looping": True, "hw_decode": False, "restart_on_activate": False}
    shown = {"name": FILM, "id": 1, "visible": True, "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0}}
    scene = {"id": "scene", "name": SCENE, "settings": {"items": [shown], "id_counter": 1, "custom_size": False}}
    return {
        "name": NAME,
        "current_scene": SCENE,
        "current_program_scene": SCENE,
        "scene_order": [{"name": SCENE}],
        "sources": [source, scene],
    }


def configure(home, server, key):
    """Writes the settings where OBS looks for them."""
    film = home / "film.mp4"
    make_film(film)
    basic = home / "obs-studio" / "basic"
    profile, collections = basic / "profiles" / NAME, basic / "scenes"
    profile.mkdir(parents=True)
    collections.mkdir()
    (home / "obs-studio" / "global.ini").write_text(PROGRAM)
    (profile / "basic.ini").write_text(OUTPUT)
    service = {"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False}}
    (profile / "service.json").write_text(json.dumps(service))
    (profile / "streamEncoder.json").write_text(json.dumps(ENCODER))
    (collections / f"{NAME}.json").write_text(json.dumps(scenes(film)))


@contextlib.contextmanager
def screen():
    """A display that nobody else has; gives its number."""
    reading, writing = os.pipe()
    xvfb = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        # The pipe ends with the process, so a display that cannot be opened is noticed at once.
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb ended with {xvfb.wait(SCREEN_S)}")
        yield f":{number}"
    finally:
        xvfb.terminate()
        xvfb.wait(STOP_S)


def publish(server, key):
    with tempfile.TemporaryDirectory(prefix="restage-obs-") as directory, screen() as display:
        home = pathlib.Path(directory)
        configure(home, server, key)
        environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": directory,
            "XDG_CONFIG_HOME": directory,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "QT_QPA_PLATFORM": "xcb",
        }
        obs = subprocess.Popen(
            ["obs", "--multi", "--profile", NAME, "--collection", NAME, "--startstreaming", "--verbose"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        is_asked = threading.Event()
        # OBS would ask whether it may stop what it streams, so it is not asked politely.
        threading.Thread(target=lambda: (sys.stdin.read(), is_asked.set(), obs.terminate()), daemon=True).start()
        try:
            for line in obs.stdout:
                print(line.replace(key, "STREAM_KEY"), end="", flush=True)
        finally:
            obs.kill()
            code = obs.wait(STOP_S)
        return 0 if is_asked.is_set() else code


def main():
    if sys.argv[1:] == ["missing"]:
        lacks = missing()
        print(lacks)
        sys.exit(1 if lacks else 0)
    if sys.argv[1:] == ["version"]:
        print(subprocess.run(["obs", "--version"], capture_output=True, text=True, check=True).stdout)
        return
    _, server, key, *_ = sys.argv[1:]
    # What it has started and written goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    code = publish(server, key)
    if code != 0:
        say(failed=f"OBS ended with {code}")
        sys.exit(1)


if __name__ == "__main__":
    main()
