"""Applying rules to a network: over flat slices or parameter by parameter, fused, in groups, with clipping."""
