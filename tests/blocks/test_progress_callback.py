"""`progress=` hears how many rows have been read."""

import numpy as np
import pytest

import temperance as tp

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(90, 3)) * 3
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
BLOCKS = [(Z[first : first + 30], Y[first : first + 30]) for first in (0, 30, 60)]
CALLS = {
    "evaluate_blocks": lambda progress: tp.evaluate_blocks(
        BLOCKS, kind="logits", n_resamples=100, progress=progress
    ),
    "compare_blocks": lambda progress: tp.compare_blocks(
        BLOCKS, {"a": None, "b": tp.TemperatureScaling(2.0)}, n_resamples=100, progress=progress
    ),
    "fit_blocks": lambda progress: tp.TemperatureScaling.fit_blocks(BLOCKS, progress=progress),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_block_is_told(name):
    """Rows so far, all of them in each reading; the result is the same as without."""
    heard = []
    result = CALLS[name](heard.append)
    assert heard[:3] == [30, 60, 90]
    assert heard == list(range(30, 30 * len(heard) + 1, 30))
    assert len(heard) % 3 == 0
    assert result == CALLS[name](None)


@pytest.mark.parametrize("name", CALLS)
def test_what_it_raises_ends_the_work(name):
    """A caller may stop a long reading from here."""

    def stop(rows):
        raise StopReadingError(rows)

    with pytest.raises(StopReadingError, match="30"):
        CALLS[name](stop)


class StopReadingError(Exception):
    """What a caller raises."""


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("progress", [True, "yes", 5])
def test_no_function_is_refused(name, progress):
    with pytest.raises(tp.InvalidInputError, match="`progress` must be a function"):
        CALLS[name](progress)
