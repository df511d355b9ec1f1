"""Logits and labels of a loader: in memory, in files, in a fit; the model stays as it was."""

from contextlib import contextmanager

import numpy as np
import pytest

import temperance as tp
from temperance.blocks import reporting_work

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from temperance.torch import collect_logits  # noqa: E402


def rows(n=100, k=3, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(n, 5)
    return x, torch.randint(0, k, (n,))


def model_of(k=3):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, k), nn.Dropout(0.5))


def expected(model, x):
    return model[0](x).detach().numpy()


def test_rows_in_the_order_of_the_loader():
    """Without dropout and gradients; each part of the model is then as it was."""
    model, (x, y) = model_of().train(), rows()
    model[0].eval()
    collected = collect_logits(model, DataLoader(TensorDataset(x, y), 32))
    assert collected.n == 100
    assert collected.logits == pytest.approx(expected(model, x), abs=1e-6)
    assert collected.logits.dtype == np.float32
    assert (collected.labels == y.numpy()).all()
    assert [each.training for each in model.modules()] == [True, False, True]
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_files_are_read_and_fitted_as_the_rows_are(tmp_path, suffix):
    """One batch at a time into a file; its temperature is that of the rows in memory."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    loader = DataLoader(TensorDataset(*rows(1000)), 64)
    path = tmp_path / f"scores{suffix}"
    collected = collect_logits(model_of(), loader, output=path)
    in_memory = collect_logits(model_of(), loader)
    right = tp.TemperatureScaling.fit_blocks(in_memory.blocks).temperature
    if suffix == ".npy":
        assert isinstance(collected.logits, np.memmap)
        assert np.array_equal(collected.logits, in_memory.logits)
        assert collected.labels_path == tmp_path / "scores_labels.npy"
        assert np.array_equal(np.load(collected.labels_path), in_memory.labels)
        blocks = collected.blocks
    else:
        blocks = tp.readers.read_blocks(path)
        with pytest.raises(tp.InvalidInputError, match="read_blocks"):
            collected.blocks  # noqa: B018
    assert tp.TemperatureScaling.fit_blocks(blocks).temperature == pytest.approx(right, rel=1e-9)
    assert str(collected) == f"logits and labels of 1,000 rows in {path}"
    assert len([*tmp_path.iterdir()]) == (2 if suffix == ".npy" else 1)


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    """No half file; the model is in training again."""
    model, (x, y) = model_of(), rows()
    path = tmp_path / "scores.npy"
    path.write_bytes(b"as it was")
    with pytest.raises(tp.InvalidInputError, match="Batch 1: the model gave nan, in row 0"):
        collect_logits(model, [(x, y), (x * torch.nan, y)], output=path)
    assert path.read_bytes() == b"as it was"
    assert [*tmp_path.iterdir()] == [path]
    assert model.training


class OfWords(nn.Module):
    """Takes its inputs by name, and gives an object with logits, or what is asked."""

    def __init__(self, gives="logits"):
        super().__init__()
        self.gives, self.layer = gives, nn.Linear(5, 3)

    def forward(self, words, scale=1.0, other=None):
        logits = self.layer(words) * scale
        if self.gives == "dict":
            return {"loss": torch.zeros(()), "logits": logits}
        return (logits, "hidden") if self.gives == "tuple" else logits


@pytest.mark.parametrize("gives", ["logits", "dict", "tuple"])
def test_batches_of_any_kind(gives):
    """Dicts by name, tuples by place; what the model does not take is left out by `batch_keys`."""
    model, (x, y) = OfWords(gives), rows()
    right = model.layer(x).detach().numpy()
    for batch, keys, factor in (
        ({"words": x, "labels": y}, None, 1.0),
        ({"words": x, "label": y, "scale": 2.0}, None, 2.0),
        ({"words": x, "target": y, "id": "a", "scale": 3.0}, ("words", "scale", "target"), 3.0),
        ((x, y), None, 1.0),
        ([x, 2.0, y], None, 2.0),
        ((y, x, "id"), (1, 0), 1.0),
    ):
        collected = collect_logits(model, [batch], batch_keys=keys)
        assert collected.logits == pytest.approx(factor * right, rel=1e-5)
        assert (collected.labels == y.numpy()).all()


def test_tokens_and_pixels_are_rows():
    """Classes on any axis; padding (-100) is left out."""
    torch.manual_seed(0)
    tokens, labels = torch.randn(4, 6, 3), torch.randint(0, 3, (4, 6))
    labels[:, 4:] = -100
    collected = collect_logits(nn.Identity(), [(tokens, labels)], ignore_label=-100)
    assert collected.logits == pytest.approx(tokens[:, :4].reshape(-1, 3).numpy())
    assert collected.labels.tolist() == labels[:, :4].reshape(-1).tolist()
    images = tokens.movedim(-1, 1)
    other = collect_logits(nn.Identity(), [(images, labels)], class_axis=1, ignore_label=-100)
    assert np.array_equal(other.logits, collected.logits)


def test_label_matrices_and_half_precision():
    """A label per column stays a matrix; bfloat16 becomes float32 without a change."""
    z = torch.randn(8, 3, dtype=torch.bfloat16)
    y = torch.randint(0, 2, (8, 3)).float()
    collected = collect_logits(nn.Identity(), [(z[:5], y[:5]), (z[5:], y[5:])])
    assert collected.logits.dtype == np.float32
    assert np.array_equal(collected.logits, z.float().numpy())
    assert np.array_equal(collected.labels, y.numpy())
    one = collect_logits(nn.Identity(), [(z[:, :1], y[:, 0])])
    assert one.logits.shape == (8, 1)


def test_progress_in_rows():
    """After each batch, the rows so far; a terminal is told how many there are."""
    seen, named = [], []

    @contextmanager
    def show(what, rows):
        named.append((what, rows))
        yield lambda _: None

    loader = DataLoader(TensorDataset(*rows()), 32)
    with reporting_work(show):
        collect_logits(model_of(), loader, progress=seen.append)
    assert seen == [32, 64, 96, 100]
    assert named == [("running the model", 100)]


def test_bad_loaders_are_named():
    """No labels, other keys, other shapes, no rows: what came, and what would do."""
    x, y = rows()
    model = model_of()
    for loader, settings, words in (
        ([x], {}, r"Batch 0: there are no labels in it.*\(inputs, labels\)"),
        ([(x,)], {}, "there are no labels in it"),
        ([{"words": x}], {}, 'it has words, and neither "labels"'),
        (
            [{"words": x}],
            {"batch_keys": ("words", "y")},
            "`batch_keys` has 'y', and the batch words",
        ),
        ([(x, y)], {"batch_keys": ("words", "y")}, "places from 0 to 1"),
        ([(x, y)], {"batch_keys": "labels"}, "`batch_keys` must be"),
        ([(x, y[:-1])], {}, "labels of shape"),
        ([(x, y), (x, y.float())], {}, "Batch 1: logits of 3 columns.*before it"),
        ([], {}, "gave no rows"),
        (iter(()), {}, "a generator is empty"),
        (3, {}, "an iterable of batches"),
        ([(x, y)], {"device": "meta"}, "got 'meta': it holds no numbers"),
        ([(x, y)], {"device": "nope"}, "`device` must be one that torch has here, got 'nope'"),
        ([(x, y)], {"device": "cuda:77"}, "`device` must be one that torch has here"),
        ([{"words": x, "label": y}], {}, r"does not take the inputs .*words\).*`batch_keys`"),
        ([(x, x, y)], {}, r"does not take the inputs of the batch \(2 in a row\)"),
    ):
        with pytest.raises(tp.InvalidInputError, match=words):
            collect_logits(model, loader, **settings)
    with pytest.raises(tp.InvalidInputError, match=r"\.npy \.parquet"):
        collect_logits(model, [(x, y)], output="scores.csv")
    with pytest.raises(tp.InvalidInputError, match="tensor of logits, or something"):
        collect_logits(OfText(), [(x, y)])


class OfText(nn.Module):
    def forward(self, x):
        return "text"


def test_errors_of_the_model_name_the_batch():
    """They are torch's own, with a note."""
    batches = [(torch.zeros(2, 4), [0, 1]), (torch.zeros(2, 5), [0, 1])]
    with pytest.raises(RuntimeError) as caught:
        collect_logits(nn.Linear(4, 3), batches)
    assert caught.value.__notes__ == ["In batch 1 of `collect_logits`."]
