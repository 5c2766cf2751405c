"""Layers and networks as modules of PyTorch, and its modules as networks."""
