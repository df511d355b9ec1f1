"""A calibrator inside an ONNX model: heads are found, nodes written, the new model is run."""

__all__: list[str] = []
