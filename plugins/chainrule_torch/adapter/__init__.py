"""Rules of chainrule as optimizers of torch."""
