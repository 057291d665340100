"""The speaking half: voice files, onnxruntime, streaming and long texts. No PyTorch."""
