"""The paper: its settings, their results, figures, table and claims, and the report of it all."""
