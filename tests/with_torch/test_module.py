"""Maps as tensors and modules: the calibrated numbers, wherever PyTorch takes them."""

import copy
import subprocess
import sys
import warnings

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import METHODS, AnswerConfidence

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from temperance.torch import apply, as_module  # noqa: E402


def labelled(k, n=400, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * scale
    p = np.exp(z / 1.7 - (z / 1.7).max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return z, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


def fitted(name, k):
    z, y = labelled(k)
    if name == "smoothed":
        return tp.TemperatureScaling.fit(z, y, smooth=True)
    settings = {}
    if METHODS[name].traits.groups:
        settings["groups"] = np.array(["a", "b", "c"])[np.arange(len(y)) % 3]
    return METHODS[name].fit(z, y, **settings)


MAPS = [
    (name, k)
    for name, method in METHODS.items() if not method.traits.members
    for k in ((2,) if method.traits.binary else (2, 4))
] + [("smoothed", 4)]  # fmt: skip


@pytest.fixture(scope="module")
def maps():
    return {each: fitted(*each) for each in MAPS}


def each_map(test):
    return pytest.mark.parametrize("each", MAPS, ids=lambda each: f"{each[0]}-{each[1]}")(test)


def new_rows(k, n=300, dtype=torch.float32, seed=5):
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, k)) * 5, dtype=dtype)


def expected(calibrator, z, **settings):
    return calibrator.apply(z.double().numpy(), refuse_probs=False, dtype=np.float64, **settings)


@each_map
def test_every_map_gives_the_calibrated_numbers(maps, each):
    """Of new rows 1e-12 in float64 and 1e-6 in float32, as it came; proved when made."""
    calibrator = maps[each]
    module = as_module(calibrator)
    assert [parity.n for parity in module.parity] == [256, 256]
    assert all(parity.holds for parity in module.parity)
    for dtype, most in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        z = new_rows(each[1], dtype=dtype) + 40.0  # an offset, which costs digits
        for probs in (module(z), apply(calibrator, z)):
            assert probs.dtype == dtype
            assert np.abs(probs.double().numpy() - expected(calibrator, z)).max() <= most


@each_map
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_rounded_once(maps, each, dtype):
    """The float32 result in the dtype that came: off by half a unit in its last place."""
    dtype = getattr(torch, dtype)
    z = new_rows(each[1], dtype=dtype)
    module = as_module(maps[each]).to(dtype)  # its numbers stay as they are
    probs = module(z)
    assert probs.dtype == dtype
    right = expected(maps[each], z)
    least = 2.0**-14 if dtype == torch.float16 else 2.0**-126  # below, steps are absolute
    half_unit = torch.finfo(dtype).eps / 2
    off = np.abs(probs.double().numpy() - right)
    assert (off <= half_unit * np.maximum(right, least) + 1e-6).all()
    rounded = torch.tensor(right).to(dtype).double()
    assert (probs.double() == rounded).double().mean() > 0.99


@each_map
def test_gradients_flow_to_the_logits(maps, each):
    """Analytic slopes are numeric ones; an option that does not exist gets 0, and breaks none."""
    calibrator, k = maps[each], each[1]
    z = new_rows(k, n=2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(as_module(calibrator), (z,))
    if calibrator.traits.masks:
        masked = new_rows(k, n=6, dtype=torch.float64)
        masked[:3, 0] = -torch.inf
        masked.requires_grad_()
        apply(calibrator, masked).square().sum().backward()
        assert torch.isfinite(masked.grad).all()
        assert (masked.grad[:3, 0] == 0.0).all()


@each_map
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_missing_options(maps, each, dtype):
    """-inf has probability 0 where the method takes it; else, as with nan and inf, nan."""
    calibrator = maps[each]
    z = new_rows(each[1], dtype=getattr(torch, dtype))
    z[::3, 1] = -torch.inf
    probs = apply(calibrator, z).double().numpy()
    if calibrator.traits.masks:
        assert np.abs(probs - expected(calibrator, z)).max() <= 1e-6
        assert (probs[::3, 1] == 0.0).all()
    else:
        assert np.isnan(probs[::3]).all()
        assert np.isfinite(probs[1::3]).all()
    for bad in (torch.inf, torch.nan):
        z[2] = bad
        z[4, 0] = bad
        rows = apply(calibrator, z)
        assert rows[2].isnan().all()
        assert rows[4].isnan().all()
        assert not rows[[1, 5, 7]].isnan().any()


@pytest.mark.parametrize(
    "each",
    [
        ("temperature", 4), ("group-temperature", 4), ("smoothed", 4), ("vector", 4),
        ("beta", 2), ("isotonic", 4), ("venn-abers", 2),
    ],
    ids=str,
)  # fmt: skip
def test_scripted_and_exported_programs_give_the_same(maps, each):
    """Script, export with any number of rows, compile: each operation is in one of these maps."""
    module, z = as_module(maps[each]), new_rows(each[1])
    right = module(z)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has begun to leave script
        scripted = torch.jit.script(module)
    assert torch.allclose(scripted(z), right, rtol=0, atol=1e-7)
    shapes = {"logits": {0: torch.export.Dim("rows")}}
    program = torch.export.export(module, (z,), dynamic_shapes=shapes).module()
    torch._dynamo.reset()  # noqa: SLF001 # each compilation of a class counts, and a few is all it takes
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True, dynamic=True)
    for n in (7, 31):
        assert torch.allclose(program(z[:n]), right[:n], rtol=0, atol=1e-7)
        assert torch.allclose(compiled(z[:n]), right[:n], rtol=0, atol=1e-7)


IN_ONNX = [("temperature", 4), ("matrix", 4), ("beta", 2), ("isotonic", 4), ("venn-abers", 2)]


class Maps(nn.Module):
    """All maps at once: an export costs a second, whatever it holds."""

    def __init__(self, modules):
        super().__init__()
        self.each = nn.ModuleList(modules)

    def forward(self, *rows):
        return tuple(module(z) for module, z in zip(self.each, rows, strict=True))


@pytest.fixture(scope="module")
def onnx_probs(maps):
    """What torch.onnx writes of all maps gives of seven rows each; it saw more of them."""
    pytest.importorskip("onnxscript")
    ort = pytest.importorskip("onnxruntime")
    rows = tuple(new_rows(k) for _, k in IN_ONNX)
    count = torch.export.Dim("rows")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Maps(as_module(maps[each]) for each in IN_ONNX), rows, dynamo=True, verbose=False,
            dynamic_shapes=(tuple({0: count} for _ in rows),),
        )  # fmt: skip
    session = ort.InferenceSession(program.model_proto.SerializeToString())
    names = [each.name for each in session.get_inputs()]
    inputs = {name: z[:7].numpy() for name, z in zip(names, rows, strict=True)}
    return dict(zip(IN_ONNX, session.run(None, inputs), strict=True))


@pytest.mark.parametrize("each", IN_ONNX, ids=str)
def test_onnx_programs_give_the_same(maps, onnx_probs, each):
    """What torch.onnx writes, in onnxruntime, of another number of rows."""
    z = new_rows(each[1])[:7]
    assert np.abs(onnx_probs[each] - expected(maps[each], z)).max() <= 1e-6


def test_groups_go_by_place():
    """Places in `group_names`; -1, and rows of an export without any, are the pooled map."""
    calibrator = fitted("group-temperature", 4)
    module, z = as_module(calibrator), new_rows(4, dtype=torch.float64)
    names = np.array(["b", "new", "a", "c"])[np.arange(len(z)) % 4]
    assert module.group_names == ["a", "b", "c"]
    places = module.group_places(names)
    assert places[:4].tolist() == [1, -1, 0, 2]
    right = expected(calibrator, z, groups=names)
    assert module(z, places).numpy() == pytest.approx(right, abs=1e-12)
    assert apply(calibrator, z, groups=names).numpy() == pytest.approx(right, abs=1e-12)
    assert module(z).numpy() == pytest.approx(expected(calibrator, z), abs=1e-12)
    with pytest.raises(tp.InvalidInputError, match="one map for all rows"):
        apply(fitted("temperature", 4), z, groups=names)


@pytest.mark.parametrize("pool", ["log", "linear"])
def test_members_are_stacked(pool):
    """An ensemble takes its models' logits, a list of tensors or one tensor of all."""
    z, y = labelled(3)
    other = z + np.random.default_rng(2).normal(size=z.shape)
    calibrator = tp.Ensemble.fit([z, other], y, pool=pool)
    tensors = [new_rows(3, dtype=torch.float64, seed=seed) for seed in (1, 2)]
    for each in tensors:
        each[::4, 0] = -torch.inf
    right = calibrator.apply([each.numpy() for each in tensors])
    for given in (tensors, torch.stack(tensors)):
        assert apply(calibrator, given).numpy() == pytest.approx(right, abs=1e-12)
    with pytest.raises(tp.InvalidInputError, match=r"stacked.*2 of them, got 3"):
        apply(calibrator, torch.stack([*tensors, tensors[0]]))


def test_label_matrices():
    """A sigmoid per label; one label too."""
    rng = np.random.default_rng(0)
    for k in (1, 3):
        z = rng.normal(size=(400, k)) * 3
        y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
        for per_label in (False, True):
            calibrator = tp.MultilabelScaling.fit(z, y, per_label=per_label)
            new = new_rows(k)
            probs = apply(calibrator, new).double().numpy()
            assert np.abs(probs - expected(calibrator, new)).max() <= 1e-6


@pytest.mark.parametrize("axis", [1, -3, 2])
def test_images_keep_their_shape(axis):
    """Classes on another axis, as PyTorch has them: what `apply` gives of the same array."""
    calibrator = fitted("temperature", 4)
    images = new_rows(4, n=2 * 3 * 5, dtype=torch.float64).reshape(2, 3, 5, 4).movedim(-1, axis)
    module = as_module(calibrator, class_axis=axis)
    right = calibrator.apply(images.numpy(), class_axis=axis)
    assert module(images).numpy() == pytest.approx(right, abs=1e-12)
    assert apply(calibrator, images, class_axis=axis).shape == images.shape


def test_log_odds_of_two_classes():
    """(n,) are log-odds of class 1, and both classes come out, as of arrays."""
    for name in ("platt", "isotonic", "temperature"):
        calibrator, z = fitted(name, 2), new_rows(1, dtype=torch.float64)[:, 0]
        right = calibrator.apply(z.numpy())
        assert apply(calibrator, z).numpy() == pytest.approx(right, abs=1e-12)


def test_the_logits_stay_as_they_were():
    """No step writes into what the caller gave."""
    for each in MAPS:
        z = new_rows(each[1])
        before = z.clone()
        with torch.no_grad():
            apply(fitted(*each), z)
        assert torch.equal(z, before)


def test_its_numbers_are_never_rounded():
    """Buffers, no parameters; `.half()` and `.to(dtype)` around it leave them in float64."""
    module = as_module(tp.TemperatureScaling(1.7))
    assert [*module.parameters()] == []
    assert {name: each.item() for name, each in module.named_buffers()} == {"steps.0.by": 1.7}
    model = nn.Sequential(nn.Linear(3, 3), module)
    for changed in (model.half(), model.to(torch.bfloat16), model.float()):
        assert changed[1].state_dict()["steps.0.by"].dtype == torch.float64
        assert changed[1].steps[0].by.item() == 1.7
    assert model[0].weight.dtype == torch.float32
    assert copy.deepcopy(module).to("meta").steps[0].by.device.type == "meta"


def test_another_temperature_can_be_loaded():
    """`load_state_dict` of a map of the same method, strict, as of any module."""
    module, other = (as_module(tp.TemperatureScaling(t)) for t in (1.7, 2.5))
    module.load_state_dict(other.state_dict())
    z = new_rows(4)
    assert torch.equal(module(z), other(z))


def test_a_temperature_can_be_trained():
    """Parameters where that is asked; of rows with a known temperature an optimizer finds it."""
    z, y = labelled(4, n=2000)
    best = tp.TemperatureScaling.fit(z, y).temperature
    module = as_module(tp.TemperatureScaling(1.0), trainable=True)
    logits, labels = torch.tensor(z), torch.tensor(y)
    optimizer = torch.optim.LBFGS(module.parameters(), line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = nn.functional.nll_loss(module(logits).log(), labels)
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    assert module.steps[0].by.item() == pytest.approx(best, rel=1e-4)
    with pytest.raises(tp.InvalidInputError, match="no numbers to train"):
        as_module(fitted("isotonic", 4), trainable=True)


def test_it_stands_behind_a_small_network():
    """A convolutional network with its map: wrapped, exported, the calibrated numbers."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4)
    ).eval()
    calibrator, images = fitted("bias-corrected-temperature", 4), torch.randn(9, 1, 8, 8)
    model = nn.Sequential(network, as_module(calibrator))
    right = expected(calibrator, network(images).detach())
    program = torch.export.export(model, (images,)).module()
    for probs in (model(images), program(images)):
        assert np.abs(probs.detach().double().numpy() - right).max() <= 1e-6


def test_bad_input_is_named():
    """What came is no tensor, of another width, of whole numbers, or of answers."""
    calibrator = fitted("temperature", 4)
    nested = torch.nested.nested_tensor([torch.zeros(2, 4)], layout=torch.jagged)
    for wrong, words in (
        (np.zeros((2, 4)), "torch tensor, got ndarray"),
        (torch.zeros(2, 3), "4 columns that the calibrator was fitted on, got 3"),
        (torch.zeros(4), r"got 2: shape \(n,\) is the log-odds of class 1, of two"),
        (torch.zeros(2, 4, dtype=torch.int64), "floating"),
        (torch.zeros(2, 4).to(torch.float8_e4m3fn), "at least 16 bits, .*float8"),
        (torch.eye(4).to_sparse(), "must be dense, .*to_dense"),
        (nested, "tensor that is nested"),
    ):
        with pytest.raises(tp.InvalidInputError, match=words):
            apply(calibrator, wrong)
    with pytest.raises(tp.InvalidInputError, match="fitted calibrator"):
        as_module(tp.TemperatureScaling)
    answers = AnswerConfidence.fit(
        np.linspace(0.1, 0.9, 50), np.arange(50) % 2, scale="probability"
    )
    with pytest.raises(tp.InvalidInputError, match="one score per answer"):
        as_module(answers)


def test_a_wrong_module_is_not_handed_out(monkeypatch):
    """The proof is one: a step that is a little off raises, and says where."""
    from temperance.torch import steps

    monkeypatch.setattr(
        steps.Divide, "forward", lambda self, x, exists, groups: x / (self.by + 1e-4)
    )
    with pytest.raises(tp.export.ParityError, match=r"PyTorch .* float64 does not give"):
        as_module(tp.TemperatureScaling(1.7))


def test_torch_that_is_missing_is_named():
    """Without torch `temperance.torch` says what to install."""
    code = (
        "import sys; sys.modules['torch'] = None; import temperance as tp\n"
        "try:\n    import temperance.torch\n"
        "except tp.MissingDependencyError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "temperance.torch needs the package torch, which is not installed: "
        'pip install "temperance[torch]".\n'
    )


@pytest.mark.parametrize("method", ["temperature", "matrix", "isotonic"])
def test_whoever_asks_first_changes_nothing_for_others(method):
    """A module that was made in inference mode, or on a device without numbers, gives gradients."""
    z = torch.randn(5, 4, dtype=torch.float64)
    for first in (torch.inference_mode(), torch.device("meta")):
        calibrator = fitted(method, 4)
        with first:
            apply(calibrator, torch.zeros(1, 4))
            made = as_module(calibrator)
        for call in (lambda rows, c=calibrator: apply(c, rows), made):
            rows = z.clone().requires_grad_()
            call(rows).square().sum().backward()
            assert rows.grad.isfinite().all()
            assert call(z).numpy() == pytest.approx(calibrator.apply(z.numpy()), abs=1e-12)
