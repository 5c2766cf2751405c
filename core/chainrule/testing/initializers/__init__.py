"""Checks on initializers."""

from chainrule.testing.initializers import distributions as distributions
