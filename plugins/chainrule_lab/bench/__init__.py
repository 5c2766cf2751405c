"""``chainrule bench``: an optimizer beside tuned baselines, on real tasks, with equal tuning and statistics."""
