"""The statistics of a benchmark; a diverged run is +∞, which counts in each of them and is never dropped."""
