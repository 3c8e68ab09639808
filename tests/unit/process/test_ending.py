"""What ends the program early."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.process.ending import Stopped

SLEEP = """\
import sys, time
from pathlib import Path
from runner.process.ending import Stopped, sweep_with, watch_signals
watch_signals()
sweep_with(lambda: Path(sys.argv[1]).unlink())
try:
    print("ready", flush=True)
    time.sleep(60)
except Stopped as stop:
    print(stop.why, flush=True)
    status = stop.status
    {cleanup}
    sys.exit(status)
"""


def start(file: Path, cleanup: str = "pass") -> subprocess.Popen[str]:
    file.touch()
    process = subprocess.Popen(
        [
            *("env", "--default-signal=HUP,INT,TERM"),
            *(sys.executable, "-c", SLEEP.format(cleanup=cleanup), str(file)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("number", "status", "why"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 143, "ended by SIGHUP"),
    ],
)
def test_a_signal_ends_in_good_order(
    number: signal.Signals, status: int, why: str, tmp_path: Path
) -> None:
    process = start(tmp_path / "half")
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert (process.returncode, said, errors) == (status, f"{why}\n", "")
    assert (tmp_path / "half").exists()


def test_a_second_signal_ends_at_once_and_sweeps(tmp_path: Path) -> None:
    process = start(tmp_path / "half", cleanup="time.sleep(60)")
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "ended at once by a second signal, SIGTERM" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "half").exists()


def test_the_same_signal_twice_at_once_counts_once(tmp_path: Path) -> None:
    # As timeout(1) does it.
    process = start(tmp_path / "half", cleanup="time.sleep(1)")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, "")


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    code = "from runner.process.ending import watch_signals; watch_signals();"
    code += " import os, time; os.kill(os.getpid(), 1); time.sleep(0.1); print('alive')"
    done = subprocess.run(
        ["env", "--ignore-signal=HUP", sys.executable, "-c", code],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "alive\n"


def test_stopped_passes_where_ctrl_c_does() -> None:
    assert issubclass(Stopped, KeyboardInterrupt)


def test_a_signal_that_comes_in_a_destructor_is_not_lost() -> None:
    code = """\
import os, signal, sys, time
from runner.process.ending import Stopped, watch_signals
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
watch_signals()
try:
    Last()
    time.sleep(60)
except Stopped as stop:
    print(stop.why)
    sys.exit(stop.status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (
        143,
        "ended by SIGTERM\n",
        "",
    )


def test_no_signal_kills_the_program_once_its_status_is_known() -> None:
    code = (
        "import signal, sys; from runner.__main__ import main; "
        "sys.argv[1:] = ['--version']; main(); "
        "print(*(signal.getsignal(it).name for it in (1, 2, 15)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "SIG_IGN SIG_IGN SIG_IGN"


@pytest.mark.parametrize(("gone", "said"), [(False, "at exit\n"), (True, "")])
def test_libraries_do_nothing_at_exit_once_memory_ran_out(
    gone: bool, said: str
) -> None:
    program = f"""\
import atexit, sys
from runner.process import ending
atexit.register(print, "at exit")
if {gone}:
    ending.out_of_memory()
sys.exit(ending.left(3))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, said, "")
