"""The page of every activation, schedule and optimizer that is installed."""
