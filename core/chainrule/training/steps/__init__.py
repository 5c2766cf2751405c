"""The ways to take a training step: eagerly, as one compiled function, or as a CUDA graph."""
