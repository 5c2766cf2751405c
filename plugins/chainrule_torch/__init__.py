"""The bridge between chainrule and PyTorch: the only plugin that imports torch.optim."""
