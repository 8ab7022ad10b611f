"""How the weights of our own were made; never imported by the product. Needs torch, onnx and the photos."""
