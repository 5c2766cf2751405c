"""Checks on tasks."""

from chainrule.testing.tasks import data as data
