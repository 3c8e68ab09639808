"""A run's guests, and what is done in them."""
