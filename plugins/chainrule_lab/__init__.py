"""Experiments: tasks, the reproduction of the paper, statistics, figures and reports."""
