"""What ``chainrule doctor`` examines: the metadata of what is installed, and whether all of it can be loaded."""
