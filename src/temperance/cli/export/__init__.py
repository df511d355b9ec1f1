"""`temperance export ...`: a calibrator for where the model runs; one file per target."""

__all__: list[str] = []
