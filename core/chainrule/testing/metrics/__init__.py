"""Checks on metrics."""

from chainrule.testing.metrics import values as values
