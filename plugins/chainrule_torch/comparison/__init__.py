"""Comparing rules with other libraries' step by step."""
