"""Measures what the README's figures are; never a test."""
