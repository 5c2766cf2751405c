"""Layers and networks as modules of PyTorch."""
