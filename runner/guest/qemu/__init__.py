"""Virtual machines: how one is described, started, asked and ended."""
