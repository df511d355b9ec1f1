"""Tensors: the temperature of the same numbers as arrays, without a copy, where they lie."""

import numpy as np
import pytest

import temperance as tp
from reference import gumbel_rows
from temperance import TemperatureScaling

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from temperance.blocks import torch_rows  # noqa: E402
from temperance.kernels import loss_torch  # noqa: E402


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 numbers, so that small tensors are cut as large ones are."""
    monkeypatch.setattr(torch_rows, "_BLOCK", 64)


class Watch(TorchDispatchMode):
    """Notes the largest tensor that any operation makes (a view makes none)."""

    def __init__(self, logits):
        super().__init__()
        self.largest, self.own = 0, logits.untyped_storage().data_ptr()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() != self.own:
            self.largest = max(self.largest, made.numel())
        return made


def watched_fit(z, y, **options):
    """Fit in this thread, so that the watch, which is of one thread, sees all of it."""
    with pytest.MonkeyPatch.context() as patch, Watch(z) as watch:
        patch.setattr(torch_rows, "_THREADS", 1)
        return TemperatureScaling.fit(z, y, **{"engine": "torch", **options}), watch.largest


@pytest.mark.parametrize("kind", ["parameter", "gradient", "labels", "numpy labels", "int32"])
def test_whatever_the_caller_has(kind):
    """Parameters, tensors with a gradient, labels as tensors of any integer type or arrays."""
    z, y = gumbel_rows()
    t, labels = torch.tensor(z), torch.tensor(y)
    if kind == "parameter":
        t = torch.nn.Parameter(t)
    if kind == "gradient":
        t = (t.requires_grad_() * 2) / 2
    labels = {"numpy labels": y, "int32": labels.int()}.get(kind, labels)
    found = TemperatureScaling.fit(
        t, labels, weights=torch.ones(len(y), requires_grad=True), engine="torch"
    )
    assert found.temperature == pytest.approx(TemperatureScaling.fit(z, y).temperature, rel=1e-12)
    assert found.n_classes == 5


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("engine", ["auto", "torch", "numpy"])
def test_every_type_of_number(dtype, engine):
    """The T of the rounded numbers; NumPy has no bfloat16 and says so."""
    z, y = gumbel_rows()
    t = torch.tensor(z).to(getattr(torch, dtype))
    if dtype == "bfloat16" and engine == "numpy":
        with pytest.raises(tp.InvalidInputError, match="no bfloat16"):
            TemperatureScaling.fit(t, y, engine=engine)
        return
    found = TemperatureScaling.fit(t, y, engine=engine)
    exact = TemperatureScaling.fit(t.double().numpy(), y)
    assert found.temperature == pytest.approx(exact.temperature, rel=1e-6)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("class_axis", [1, -1])
@pytest.mark.parametrize("shape", [(40, 6, 7), (3, 20, 30), (600, 2, 1)])
def test_outputs_per_pixel(shape, class_axis, ignore):
    """Any class axis, with pixels left out and weights: as from arrays; no copy of all logits."""
    z, y = gumbel_rows(int(np.prod(shape)))
    w = np.random.default_rng(1).uniform(0, 2, len(y)).reshape(shape)
    y = y.reshape(shape)
    if ignore:
        y[np.random.default_rng(2).random(shape) < 0.3] = ignore
    dense = np.ascontiguousarray(np.moveaxis(z.reshape(*shape, 5), -1, class_axis))
    options = {"class_axis": class_axis, "ignore_label": ignore, "weights": w}
    t = torch.from_numpy(dense)
    found, largest = watched_fit(t, torch.from_numpy(y), **options)
    whole = TemperatureScaling.fit(dense, y, **options)
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-12)
    assert found.record.n == whole.record.n == (y != 255).sum()
    assert largest <= max(64, y.size)  # a block, or a label or weight per row


@pytest.mark.usefixtures("small_blocks")
def test_log_odds_of_two_classes():
    """Shape (n,) is (0, z), block by block."""
    z, y = gumbel_rows(k=2)
    odds = z[:, 1] - z[:, 0]
    found, largest = watched_fit(torch.tensor(odds), y)
    assert found.temperature == pytest.approx(TemperatureScaling.fit(odds, y).temperature, rel=1e-9)
    assert found.n_classes == 2
    assert largest <= len(y)


@pytest.mark.parametrize("shape", [(300_000, 8), (12, 160, 160, 8), (12, 8, 160, 160)])
def test_large_tensors_are_read_twice_in_blocks(shape):
    """A sample starts the search; nothing is made that is larger than the sample or a block."""
    n = int(np.prod(shape)) // 8
    z, y = gumbel_rows(n, 8)
    axis = 1 if shape[1] == 8 else -1
    t, labels = torch.from_numpy(z.astype("float32")), torch.from_numpy(y)
    if len(shape) > 2:
        t = t.view(shape) if axis == -1 else t.view(12, 160, 160, 8).movedim(-1, 1).contiguous()
        labels = labels.view(12, 160, 160)
    found, largest = watched_fit(t, labels, class_axis=axis)
    assert found.record.passes <= 3
    assert largest <= 1 << 19
    whole = TemperatureScaling.fit(z, y)
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-6)


def test_a_sample_of_kept_pixels():
    """Sampled are rows that count, from all over, with their own labels and weights."""
    z, y = gumbel_rows(300_000, 8)
    y[::2] = -100
    t = torch.from_numpy(z).view(2, 150_000, 8).movedim(-1, 1).contiguous()
    rows = torch_rows.TorchRows.check(
        t, y.reshape(2, -1), weights=np.arange(300_000.0).reshape(2, -1), class_axis=1,
        ignore_label=-100,
    )  # fmt: skip
    sample = rows.sample()
    scale = np.arange(1.0, 300_000.0, 2.0)  # of the rows that count
    scale = (scale**2).sum() / scale.sum()  # what makes effective rows of them
    places = np.rint(sample.weights.numpy() * scale).astype(int)
    assert (places % 2 == 1).all()
    assert places[0] < 100
    assert places[-1] > 299_900
    assert np.array_equal(sample.logits.numpy(), z[places])
    assert np.array_equal(sample.labels.numpy(), y[places])


def test_names_of_classes_and_prior():
    """Labels by name, integers that are names, smoothing and a prior, as for arrays."""
    z, y = gumbel_rows(50, 3)
    t = torch.tensor(z)
    names = np.array(["a", "b", "c"])
    found = TemperatureScaling.fit(
        t, names[y], classes=["a", "b", "c"], prior=1.0, smooth=True, engine="torch"
    )
    same = TemperatureScaling.fit(z, y, prior=1.0, smooth=True)
    assert found.classes == ("a", "b", "c")
    assert found.temperature == pytest.approx(same.temperature, rel=1e-9)
    assert found.smoothing == same.smoothing
    numbered = TemperatureScaling.fit(t, torch.tensor(y) + 4, classes=[4, 5, 6], engine="torch")
    unnamed = TemperatureScaling.fit(z, y)
    assert numbered.temperature == pytest.approx(unnamed.temperature, rel=1e-9)


def test_a_device_without_float64(monkeypatch):
    """Rows are then added up on the host, in double precision all the same."""
    z, y = gumbel_rows(k=60)
    t = torch.tensor(z).float()
    whole = TemperatureScaling.fit(t, y, weights=np.ones(len(y)), engine="torch")
    asked = []
    monkeypatch.setattr(loss_torch, "_has_float64", asked.append)
    found = TemperatureScaling.fit(t, y, weights=np.ones(len(y)), engine="torch")
    assert asked
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is there")
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_on_a_gpu(dtype):
    """Logits on the GPU, labels there or here: the same T; NumPy refuses to fetch them."""
    z, y = gumbel_rows(300_000, 10)
    here = torch.tensor(z).to(getattr(torch, dtype))
    there = here.cuda()
    exact = TemperatureScaling.fit(here.double().numpy(), y)
    for labels in (y, torch.tensor(y), torch.tensor(y).cuda()):
        found = TemperatureScaling.fit(there, labels)
        rel = 1e-9 if dtype == "float64" else 1e-6
        assert found.temperature == pytest.approx(exact.temperature, rel=rel)
    with pytest.raises(tp.InvalidInputError, match="lie on cuda"):
        TemperatureScaling.fit(there, y, engine="numpy")


class Elsewhere:
    """What an engine for arrays looks at in a tensor of a GPU."""

    device, dtype = torch.device("cuda"), torch.float32


def test_engines_of_the_cpu_fetch_nothing_from_a_gpu():
    """A tensor elsewhere is refused, with both ways out."""
    from temperance.checks.arrays import without_copy

    with pytest.raises(tp.InvalidInputError, match=r"lie on cuda.*which stays there.*\.cpu\(\)"):
        without_copy(Elsewhere(), engine="numba")


Z, Y = gumbel_rows(30, 4)
torch.set_num_threads(1)  # as many test processes as processors run beside each other
T = torch.tensor(Z)


def changed(row, column, value):
    t = T.clone()
    t[row, column] = value
    return t


BAD = [
    (changed(17, 2, np.nan), Y, {}, "`logits` must be finite.*row 17 holds nan"),
    (changed(17, 2, np.inf), Y, {}, "row 17 holds inf"),
    (changed(17, 2, 1e200), Y, {}, r"row 17 holds 1e\+200"),
    (changed(17, slice(None), -np.inf), Y, {}, "row 17 is all -inf"),
    (changed(17, int(Y[17]), -np.inf), Y, {}, "in row 17 the label"),
    (T[:, 0], np.where(np.arange(30) == 3, 2, 0), {}, r"integers in 0\.\.1; row 3 holds 2"),
    (torch.where(torch.arange(30) == 9, torch.nan, T[:, 0]), Y % 2, {}, "row 9 holds nan"),
    (T, Y[:-1], {}, r"`labels` must have shape \(30,\)"),
    (T, torch.tensor(Y) + 1, {}, "row .* holds 4"),
    (T, torch.where(torch.arange(30) == 4, -100, torch.tensor(Y)), {}, "row 4 .* ignore index"),
    (T, torch.tensor(Y) + 0.5, {}, "whole numbers"),
    (T, Y, {"weights": torch.zeros(30)}, "must not all be zero"),
    (T, Y, {"weights": -torch.ones(30)}, "finite and >= 0; row 0"),
    (T, Y, {"weights": torch.ones(29)}, r"`weights` must have shape \(30,\)"),
    (T, Y, {"classes": ["a"]}, "name each of the 4 columns"),
    (T, Y, {"class_axis": 2}, "one of the 2 axes"),
    (T[:, :0], Y, {}, "at least 2 columns"),
    (T > 0, Y, {}, "dense tensor of numbers, got bool"),
    (T.to("meta"), Y, {}, "on the device meta"),
    (torch.tensor(1.0), Y, {}, "must have shape"),
    (T.view(5, 6, 4), Y, {}, r"`labels` must have shape \(5, 6\)"),
    (T.to(torch.complex64), Y, {}, "dense tensor of numbers, got complex64"),
    (T.to_sparse(), Y, {}, "layout torch.sparse_coo"),
    (T.softmax(1), Y, {}, "look like probabilities"),
    (T[:, 0].sigmoid(), Y % 2, {}, "look like probabilities"),
    (T[:0], Y[:0], {}, "no rows"),
    (T, torch.full((30,), 9), {"ignore_label": 9}, "no rows"),
    (T, T.argmax(1), {}, "separable"),
    (T, T.argmin(1), {}, "no better than chance"),
    (torch.ones(30, 4), Y, {}, "all logits are equal"),
]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("logits", "labels", "options", "message"), BAD, ids=range(len(BAD)))
def test_bad_tensors_are_named(logits, labels, options, message):
    """The messages of arrays, with the row among all rows."""
    with pytest.raises((tp.InvalidInputError, tp.NoOptimumError), match=message):
        TemperatureScaling.fit(logits, labels, **{"engine": "torch", **options})


def test_logits_that_look_like_probabilities_on_request():
    """`refuse_probs=False` takes them for logits."""
    assert (
        TemperatureScaling.fit(T.softmax(1), Y, refuse_probs=False, engine="torch").temperature > 0
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_apply_to_tensors(dtype):
    """Tensors of the CPU, with or without gradient, give the array of their numbers.

    Reduced precision is answered in single unless double is asked for, as of arrays.
    """
    scaling = TemperatureScaling(2.0)
    t = T.to(getattr(torch, dtype)).requires_grad_()
    numbers = t.detach().double().numpy()
    for method in (scaling.apply, scaling.scale):
        assert np.array_equal(method(t, dtype="float64"), method(numbers))
        assert method(t).dtype == ("float64" if dtype == "float64" else "float32")
        assert method(t) == pytest.approx(method(numbers), rel=1e-5)
    with pytest.raises(tp.InvalidInputError, match="look like probabilities"):
        scaling.apply(t.softmax(1))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_probabilities_as_tensors(dtype):
    """Row sums may be off by what their precision explains, which NumPy's bfloat16 would too."""
    probs = T.softmax(1).to(getattr(torch, dtype))
    assert tp.logits_from_probs(probs).shape == (30, 4)
    with pytest.raises(tp.InvalidInputError, match="must sum to 1"):
        tp.logits_from_probs(probs * 0.97)


def test_numpy_looks_at_tensors_that_share_its_memory():
    """On the CPU nothing is copied, so the engines for arrays work on tensors as they lie."""
    z, y = gumbel_rows()
    for tensor in (torch.tensor(z), torch.tensor(z).T.contiguous().T):
        found = TemperatureScaling.fit(tensor, torch.tensor(y))
        assert found.temperature == TemperatureScaling.fit(tensor, y, engine="numpy").temperature
    with pytest.raises(tp.InvalidInputError, match=r"torch\.sparse_coo"):
        TemperatureScaling.fit(torch.tensor(z).to_sparse(), y)
