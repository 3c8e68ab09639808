"""YAML that is written so that it reads as what was written."""

import math
import re

import yaml

# PyYAML reads these as ends of lines, and the last one as a byte order mark.
_ENDS = re.compile("[\x85\u2028\u2029\ufeff]")


class _Dumper(yaml.SafeDumper):
    """Escapes what would be read as the end of a line, and nothing else."""


def _of_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _of_text)


def text(value: object, *, width: int, sort_keys: bool = False) -> str:
    """Return YAML with a key or an element a line, and Unicode as it is.

    `width` is where long texts are broken, in characters.
    """
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=sort_keys,
        default_flow_style=False,
        allow_unicode=True,
        width=width,
    )


def inline(value: object) -> str:
    """Return YAML in one line: "{uid: 1000, namespace: true}"."""
    written = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=True,
        allow_unicode=True,
        width=math.inf,
    )
    # A scalar alone ends with a line that says so.
    return written.removesuffix("...\n").strip()
