"""What a kernel's guest is asked right now, as its log says."""

import os
import re
from pathlib import Path

from runner import reports

# Enough for some lines.
_TAIL = 4096
_LONGEST = 40
# A whole line of runner.session.logfile's, of those that tell what begins.
_STEP = rb" %s runner\.session\.guest: [^\s:]+: ([^\n]*)\n"


def phase(kernel: str, thread: str, folder: Path) -> str:
    """Return the last step that a kernel's log says; nothing when there is none.

    `thread` is who takes it, `folder` where reports are written. The log is what all
    processes of a run share.
    """
    try:
        with (folder / kernel / reports.LOG).open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL))
            found = re.findall(_STEP % re.escape(thread.encode()), stream.read())
    except OSError:
        return ""
    if not found:
        return ""
    text = str(found[-1].decode(errors="replace"))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
