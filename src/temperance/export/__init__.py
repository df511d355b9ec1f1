"""A calibrator leaves this library, with proof that the numbers are the same where it goes.

Each export is written from `Calibrator.operations`, run beside `apply` on rows, and handed out only
if both agree (`Parity`). Importing this package loads nothing.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.export.into_onnx.model import OnnxModel, to_onnx
    from temperance.export.parity import Latency, Parity, ParityError, check_parity, made_rows
    from temperance.export.polars_code import to_polars
    from temperance.export.sql import to_sql

__all__ = [
    "Latency",
    "OnnxModel",
    "Parity",
    "ParityError",
    "check_parity",
    "made_rows",
    "to_onnx",
    "to_polars",
    "to_sql",
]

__getattr__ = loading(
    __name__,
    {
        "Latency": "temperance.export.parity",
        "OnnxModel": "temperance.export.into_onnx.model",
        "Parity": "temperance.export.parity",
        "ParityError": "temperance.export.parity",
        "check_parity": "temperance.export.parity",
        "made_rows": "temperance.export.parity",
        "to_onnx": "temperance.export.into_onnx.model",
        "to_polars": "temperance.export.polars_code",
        "to_sql": "temperance.export.sql",
    },
)
