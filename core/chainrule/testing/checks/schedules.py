"""Checks on schedules."""
