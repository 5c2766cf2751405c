"""Checks on optimizers: what every update rule must do."""

from __future__ import annotations
