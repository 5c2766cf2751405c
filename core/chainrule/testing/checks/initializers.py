"""Checks on initializers."""
