"""Runs described by components and their settings by name, as files in TOML."""
