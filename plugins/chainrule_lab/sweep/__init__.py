"""Sweeps: many trials over hyperparameters, seeds and architectures, trained as few ensembles."""
