"""The reproduction of the paper: settings, results, figures, table, claims and report."""
