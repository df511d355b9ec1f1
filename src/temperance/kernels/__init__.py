"""What one block of rows contributes to a fit or a test: plain functions that return sums.

One file per model: `loss` (one temperature), `affine` (factors and biases), `joint` (score tests).
"""

__all__: list[str] = []
