"""Checks on schedules."""

from chainrule.testing.schedules import factors as factors
