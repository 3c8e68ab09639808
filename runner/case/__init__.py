"""A case in a guest: what is loaded, attached, triggered, seen and judged."""
