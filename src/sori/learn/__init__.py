"""The learning half: the only place that imports PyTorch."""
