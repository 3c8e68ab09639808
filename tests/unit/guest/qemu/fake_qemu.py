"""A QEMU of a few lines: a real process that speaks QMP and writes to a console."""

import stat
import sys
from pathlib import Path

_PROGRAM = """
import json, os, re, socket, sys, time

if sys.argv[1:] == ["--version"]:
    print("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)")
    sys.exit(0)
with open(starts, "a") as stream:
    stream.write(str(os.getpid()) + "\\n")
sys.stderr.write(stderr)
if status is not None and not greets:
    sys.exit(status)
words = " ".join(sys.argv)
monitor = socket.socket(fileno=int(re.search("id=qmp,fd=([0-9]+)", words)[1]))

def say(what):
    monitor.sendall(json.dumps(what).encode() + b"\\n")

def questions():
    # QMP's requests do not end with a newline.
    heard = ""
    while chunk := monitor.recv(4096).decode():
        heard = (heard + chunk).lstrip()
        while heard:
            try:
                asked, end = json.JSONDecoder().raw_decode(heard)
            except ValueError:
                break
            heard = heard[end:].lstrip()
            yield asked

if greets:
    version = {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}
    say({"QMP": {"version": version, "capabilities": []}})
for asked in questions():
    about = {"id": asked["id"]} if "id" in asked else {}
    if asked["execute"] == "human-monitor-command":
        say({"return": forwarded, **about})
        break
    say({"return": {}, **about})
console = int(re.search("-add-fd fd=([0-9]+),set=1", words)[1])
os.write(console, output)
if status is not None:
    os._exit(status)
while True:
    time.sleep(3600)
"""

FORWARDED = (
    "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  "
    "Port RecvQ SendQ\r\n  TCP[HOST_FORWARD]  13       127.0.0.1 40123       "
    "10.0.2.15    22     0     0\r\n"
)


def make(
    folder: Path,
    *,
    console: bytes = b"",
    status: int | None = None,
    greets: bool = True,
    stderr: str = "",
    forwarded: str = FORWARDED,
) -> Path:
    """Write the program and return its path.

    It says `console` once it was asked for its port, then exits with `status`, or goes
    on for ever. One that does not greet exits at once, or never says a word.
    """
    path = folder / "qemu-system-x86_64"
    settings = {
        "starts": str(folder / "starts"),
        "stderr": stderr,
        "status": status,
        "greets": greets,
        "forwarded": forwarded,
        "output": console,
    }
    head = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
    path.write_text(f"#!{sys.executable}\n{head}{_PROGRAM}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def started(folder: Path) -> list[int]:
    """Return the processes that were made of it, in order."""
    path = folder / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []
