"""Examples of what stands in a suite.yaml: each key of each model is in one of them."""

from pathlib import Path
from typing import Any

import yaml

# Model → examples, as they are written.
OF_SUITE: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("examples.yaml").read_text()
)


def put_into(schema: dict[str, Any]) -> None:
    """Give each model of a suite's JSON Schema its examples."""
    for name, texts in OF_SUITE.items():
        model = schema if name == schema["title"] else schema["$defs"][name]
        model["examples"] = [yaml.safe_load(text) for text in texts]
