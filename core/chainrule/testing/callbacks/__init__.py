"""Checks on callbacks."""

from chainrule.testing.callbacks import events as events
