"""Numbers that are taken where a caller names none, and that the help of a command shows."""

__all__ = ["N_RESAMPLES", "QUICK_RESAMPLES"]

N_RESAMPLES = 1000  # of intervals and null bands
QUICK_RESAMPLES = 200  # for a first look, and for what stands beside a result
