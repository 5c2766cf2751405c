"""Checks on losses."""
