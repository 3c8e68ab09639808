"""What a kernel reports of itself before its guest serves any case.

It is no case's fault, so that no case fails for it. But what a kernel reports once it
may not report again: KASAN says nothing more after its first report (kasan_multi_shot
aside), lockdep turns itself off (debug_locks_off()), and WARN_ONCE() says so itself. So
a run says what it was, once a guest serves somebody: the lists of a suite count for all
guests that serve it. A guest that comes from a saved state brings what was said when
that was made.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from runner.failures import splats
from runner.files.patternlist import ConsoleLines
from runner.files.yamltext import inline
from runner.guest.life import Starts

log = logging.getLogger(__name__)

# Characters of a console that are kept with a saved state: a kernel may say much.
_MOST = 64 << 10
_BOOTING, _SETTING_UP = "said_booting", "said_setting_up"
# By images/rc, before anybody answers.
_AS_IT_BOOTS = ("modules",)
_AND_SO = (
    "some of a kernel's checks report once only, so that what cases do may go unseen"
)


@dataclass(frozen=True, kw_only=True)
class FirstWords:
    """What a console showed before the first case; cleaned text."""

    # Up to when somebody answered, and from then on.
    booting: str = ""
    setting_up: str = ""
    # What was set up, by keys of `guest`.
    done: Mapping[str, JsonValue] = field(default_factory=dict)

    def and_later(self, text: str) -> "FirstWords":
        """Return these, with what came of setting the guest up only later."""
        return replace(self, setting_up=self.setting_up + text)

    def kept(self) -> dict[str, JsonValue]:
        """Return what is kept with a saved state."""
        return {
            _BOOTING: self.booting[:_MOST],
            _SETTING_UP: self.setting_up[:_MOST],
        }


def of_saved(
    metadata: Mapping[str, JsonValue], done: Mapping[str, JsonValue]
) -> FirstWords:
    """Return what was kept with a saved state of a guest that was set up so."""
    return FirstWords(
        booting=str(metadata.get(_BOOTING, "")),
        setting_up=str(metadata.get(_SETTING_UP, "")),
        done=done,
    )


def note(words: FirstWords, own: Sequence[ConsoleLines], starts: Starts) -> None:
    """Note what the kernel reported, once for all guests that are alike.

    `own` are the lists of the kernel's row, and of the suite that the guest serves.
    """
    done = words.done.items()
    early = {key: it for key, it in done if key in _AS_IT_BOOTS}
    later = {key: it for key, it in done if key not in _AS_IT_BOOTS}
    for text, when, what in (
        (words.booting, "while it booted", early),
        (words.setting_up, "while its guest was set up", later),
    ):
        report = splats.reported(text, own)
        if report is None:
            continue
        asked = ", ".join(f"{key}: {inline(it)}" for key, it in what.items())
        told = f"{when} ({asked})" if asked else when
        said = f"the kernel reported {told}: {report.line} ({report.reason}); {_AND_SO}"
        if said not in starts.notes:
            log.warning("%s: %s\n%s", starts.kernel, said, report.text)
            starts.notes.append(said)
