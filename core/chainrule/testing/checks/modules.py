"""Checks on modules."""
