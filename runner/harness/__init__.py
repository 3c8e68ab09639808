"""Test programs of others: how they are asked for their tests, and what they say."""
