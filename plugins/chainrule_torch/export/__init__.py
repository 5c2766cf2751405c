"""Rules written out as optimizers of torch in one file."""
