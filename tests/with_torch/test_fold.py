"""A map in the weights of the last layer: the calibrated numbers, or the reason why not."""

import copy
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest

import temperance as tp

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from temperance.calibrators import (  # noqa: E402
    BiasCorrectedTemperatureScaling,
    Identity,
    MatrixScaling,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
)
from temperance.export.linear import linear_map  # noqa: E402
from temperance.torch import fold  # noqa: E402


def network(*widths, seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    layers = []
    for i, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.ReLU()] if i else []
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers).to(dtype)


MATRIX = np.array([[1.2, -0.1, 0.4], [0.3, 0.9, 0.3], [0.0, 0.5, 1.0]])  # rows add up to 1.5
LINEAR = {  # maps of three classes that a layer can hold
    "identity": Identity(n_classes=3),
    "temperature": TemperatureScaling(1.7, n_classes=3),
    "temperature of any width": TemperatureScaling(0.6),
    "bias-corrected": BiasCorrectedTemperatureScaling(1.7, np.array([0.3, -0.2, -0.1])),
    "vector with one factor": VectorScaling(
        TemperatureScaling(2.0), np.full(3, 1.25), np.array([0.5, 0.0, -0.5])
    ),
    "matrix with equal sums": MatrixScaling(
        TemperatureScaling(2.0), MATRIX, np.array([0.1, 0.0, -0.1])
    ),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_folded_models_give_the_calibrated_numbers(name, dtype):
    """softmax of the new logits is what `apply` gives of the old ones; the model is a copy."""
    calibrator, model = LINEAR[name], network(8, 16, 3, dtype=dtype)
    inputs = torch.randn(200, 8, dtype=dtype)
    before = copy.deepcopy(model.state_dict())
    folded = fold(model, calibrator, verify=inputs)
    assert folded.layer == "2"
    assert folded.how == "the last of the Sequential"
    assert [parity.rows for parity in folded.parity] == [
        "256 made inputs of the layer", "200 rows of the model",
    ]  # fmt: skip
    logits = model(inputs).detach()
    probs = folded.model(inputs).softmax(-1).detach().numpy()
    right = calibrator.apply(logits.numpy(), dtype=np.float64)
    assert np.abs(probs - right).max() <= (1e-6 if dtype == torch.float32 else 1e-12)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_temperature_divides_weight_and_bias():
    """By hand: of T = 2 exactly half of both; in place they are the same parameters."""
    linear = nn.Linear(4, 3)
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    parameters = [*linear.parameters()]
    folded = fold(linear, TemperatureScaling(2.0), inplace=True)
    assert folded.model is linear
    assert torch.equal(linear.weight, weight / 2)
    assert torch.equal(linear.bias, bias / 2)
    assert [a is b for a, b in zip(parameters, linear.parameters(), strict=True)] == [True, True]
    assert str(folded).startswith("folded into the layer (the model is this Linear); largest")


@pytest.mark.parametrize("columns", [2, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_two_classes(columns, bias):
    """Platt scaling and a temperature: two columns, or one of log-odds, with a bias and without."""
    torch.manual_seed(1)
    linear, inputs = nn.Linear(5, columns, bias=bias), torch.randn(100, 5)
    for calibrator in (PlattScaling(0.7, -0.4), TemperatureScaling(1.7, n_classes=2)):
        logits = linear(inputs).detach().double().numpy()
        right = calibrator.apply(logits[:, 0] if columns == 1 else logits)[:, 1]
        new = fold(linear, calibrator).model(inputs).detach().double()
        probs = new.sigmoid()[:, 0] if columns == 1 else new.softmax(-1)[:, 1]
        assert np.abs(probs.numpy() - right).max() <= 1e-6


def test_label_matrices():
    """A line per label goes into the layer; each keeps its own sigmoid."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3)) * 3
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
    linear, inputs = nn.Linear(6, 3), torch.randn(50, 6)
    for settings in ({}, {"per_label": True}, {"method": "platt"}):
        calibrator = tp.MultilabelScaling.fit(z, y, **settings)
        probs = fold(linear, calibrator).model(inputs).sigmoid().detach().double().numpy()
        right = calibrator.apply(linear(inputs).detach().double().numpy())
        assert np.abs(probs - right).max() <= 1e-6


def test_what_is_no_linear_map_is_refused():
    """Smoothing, factors that differ, curves, groups: nothing of them is approximated."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(300, 3)) * 3, rng.integers(0, 3, 300)
    groups = np.array(["a", "b"])[np.arange(300) % 2]
    for calibrator in (
        TemperatureScaling(1.7, smoothing=0.01),
        VectorScaling(TemperatureScaling(2.0), np.array([1.0, 1.1, 1.0]), np.zeros(3)),
        MatrixScaling(TemperatureScaling(2.0), MATRIX + np.eye(3)[0], np.zeros(3)),
        tp.IsotonicCalibration.fit(z, y),
        tp.GroupTemperatureScaling.fit(z, y, groups=groups),
        tp.Ensemble.fit([z, z + 1.0 * y[:, None]], y),
    ):
        if calibrator.name != "matrix":  # each row's sum grew by 1: still equal
            with pytest.raises(tp.InvalidInputError, match=r"no Linear can hold it.*as_module"):
                fold(nn.Linear(4, 3), calibrator)
        else:
            assert fold(nn.Linear(4, 3), calibrator).parity[0].holds


def test_linear_maps_of_log_probabilities():
    """By hand: the offset of log-probabilities cancels only where the rows' sums are equal."""
    equal = VectorScaling(TemperatureScaling(2.0), np.full(2, 3.0), np.array([1.0, 0.0]))
    matrix, bias = linear_map(equal.operations(), 2)
    assert matrix.tolist() == [[1.5, 0.0], [0.0, 1.5]]
    assert bias.tolist() == [1.0, 0.0]
    other = VectorScaling(TemperatureScaling(2.0), np.array([3.0, 2.0]), np.zeros(2))
    assert linear_map(other.operations(), 2) is None


class Head(nn.Module):
    """A model whose order of layers only its `forward` knows."""

    def __init__(self, times=1):
        super().__init__()
        self.classifier, self.body, self.times = nn.Linear(6, 3), nn.Linear(4, 6), times
        self.gate = nn.Linear(6, 6)

    def forward(self, x):
        hidden = self.gate(self.body(x).relu())
        return sum(self.classifier(hidden) for _ in range(self.times))


def test_the_layer_is_found_or_asked_for():
    """The only one with an output per class; several or none are listed, and one can be named."""
    assert fold(Head(), TemperatureScaling(2.0, n_classes=3)).layer == "classifier"
    for calibrator in (TemperatureScaling(2.0), TemperatureScaling(2.0, n_classes=6)):
        with pytest.raises(tp.InvalidInputError, match=r"Several layers.*`body` \(6 outputs\)"):
            fold(Head(), calibrator)
    with pytest.raises(tp.InvalidInputError, match=r"No Linear of 5 outputs.*`classifier` \(3"):
        fold(Head(), TemperatureScaling(2.0, n_classes=5))
    assert fold(Head(), TemperatureScaling(2.0), layer="classifier").how == "as named"
    with pytest.raises(tp.InvalidInputError, match="the model has no 'head'"):
        fold(Head(), TemperatureScaling(2.0), layer="head")
    with pytest.raises(tp.InvalidInputError, match=r"has 3 outputs.*fitted on 5 classes"):
        fold(Head(), TemperatureScaling(2.0, n_classes=5), layer="classifier")
    ends = nn.Sequential(network(4, 6, 6), nn.Dropout(), nn.Softmax(-1))
    assert fold(ends, TemperatureScaling(2.0), verify=torch.randn(9, 4)).layer == "0.2"


def test_a_sequential_without_linear():
    """It says what there is to do instead."""
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten())
    with pytest.raises(tp.InvalidInputError, match=r"no Linear.*as_module"):
        fold(model, TemperatureScaling(2.0))
    after = nn.Sequential(nn.Linear(4, 3), nn.ReLU())  # what comes out is no logit of the Linear
    with pytest.raises(tp.InvalidInputError, match="What the model gives is not what `0` gives"):
        fold(after, TemperatureScaling(2.0, n_classes=3), layer="0", verify=torch.randn(9, 4))


def test_tied_weights_are_refused():
    """The embedding would change too, and so would a second name of the layer."""
    model = nn.Module()
    model.embed, model.head = nn.Embedding(10, 4), nn.Linear(4, 10)
    model.head.weight = model.embed.weight
    with pytest.raises(tp.InvalidInputError, match=r"`head` is tied.*`embed.weight`.*Untie"):
        fold(model, TemperatureScaling(2.0))
    model.head.weight = nn.Parameter(model.embed.weight.detach()[:, :])  # the same memory
    with pytest.raises(tp.InvalidInputError, match="is tied"):
        fold(model, TemperatureScaling(2.0))
    twice = nn.Module()
    twice.first = nn.Linear(3, 3)
    twice.second = twice.first
    with pytest.raises(tp.InvalidInputError, match="`first` is used twice, as `second` too"):
        fold(twice, TemperatureScaling(2.0))


def test_a_layer_that_is_called_twice_is_refused():
    """Running the model shows it; nothing has changed then."""
    model = Head(times=2)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(tp.InvalidInputError, match="called 2 times"):
        fold(model, TemperatureScaling(2.0, n_classes=3), inplace=True, verify=torch.randn(9, 4))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


class Adapter(nn.Module):
    """What an adapter of low rank looks like."""

    def __init__(self, base):
        super().__init__()
        self.base_layer, self.out_features = base, base.out_features
        self.lora_a = nn.Linear(base.in_features, 2, bias=False)

    def forward(self, x):
        return self.base_layer(x)


def test_layers_that_are_not_plain_are_refused():
    """Half precision, quantised, an adapter around it, a subclass, a parametrization, hooks."""
    temperature = TemperatureScaling(2.0, n_classes=3)
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(tp.InvalidInputError, match="too coarse"):
            fold(network(4, 3, dtype=dtype), temperature)
    adapted = nn.Sequential(nn.Linear(4, 4), Adapter(nn.Linear(4, 3)))
    for settings in ({"layer": "1"}, {"layer": "1.base_layer"}):
        with pytest.raises(tp.InvalidInputError, match="Adapter, which fold does not know: merge"):
            fold(adapted, temperature, **settings)
    with pytest.raises(tp.InvalidInputError, match="Several layers of 3 outputs"):
        fold(adapted, temperature)
    with pytest.raises(tp.InvalidInputError, match="LazyLinear, which fold does not know"):
        fold(nn.Sequential(nn.LazyLinear(3)), temperature)
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))
    with pytest.raises(
        tp.InvalidInputError, match=r"ParametrizedLinear, .*remove_parametrizations"
    ):
        fold(normed, temperature)
    nn.utils.parametrize.remove_parametrizations(normed[0], "weight")
    assert fold(normed, temperature).layer == "0"
    with pytest.raises(tp.InvalidInputError, match=r"^The model has 4 outputs"):
        fold(nn.Linear(3, 4), temperature)
    hooked = network(4, 3)
    hooked[0].register_forward_hook(lambda _module, _inputs, output: output + 1)
    with pytest.raises(tp.InvalidInputError, match="has hooks"):
        fold(hooked, temperature)


@pytest.mark.parametrize("after", [nn.Tanh(), nn.ReLU(), nn.BatchNorm1d(3)])
def test_a_layer_that_gives_no_logits_is_refused(after):
    """A Sequential shows what follows: tanh(z / T) is not tanh(z) / T."""
    temperature = TemperatureScaling(2.0, n_classes=3)
    inner = nn.Sequential(nn.Linear(4, 3), after)
    for model, name in ((inner, "0"), (nn.Sequential(nn.Linear(5, 4), inner), "1.0")):
        with pytest.raises(tp.InvalidInputError, match=f"`{name}` is followed by"):
            fold(model, temperature)
    for passed_on in (nn.Softmax(-1), nn.Identity(), nn.Dropout()):
        assert fold(nn.Sequential(nn.Linear(4, 3), passed_on), temperature).layer == "0"


def test_a_quantised_layer_is_refused():
    """It is no Linear of numbers that can be scaled."""
    from torch.ao.nn.quantized.dynamic import Linear

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch has begun to leave them
        model = nn.Sequential(Linear(4, 3))
    with pytest.raises(tp.InvalidInputError, match=r"quantized.*which fold does not know"):
        fold(model, TemperatureScaling(2.0, n_classes=3))


def test_a_wrong_fold_is_not_handed_out(monkeypatch):
    """The proof is one: other numbers raise, and a model in place is as it was."""
    module = sys.modules["temperance.torch.fold"]
    right = module._folded_layer  # noqa: SLF001

    def off(linear, matrix, bias):
        return right(linear, matrix * 1.001, bias)

    monkeypatch.setattr(module, "_folded_layer", off)
    linear = nn.Linear(4, 3)
    before = linear.weight.detach().clone()
    with pytest.raises(tp.export.ParityError, match="does not give the calibrated numbers"):
        fold(linear, TemperatureScaling(2.0), inplace=True)
    assert torch.equal(linear.weight, before)


@pytest.mark.parametrize("inplace", [False, True])
def test_a_cell_that_runs_twice_folds_once(inplace):
    """T, not T squared: the layer says what it holds, in copies too."""
    model, temperature = network(4, 3), TemperatureScaling(2.0, n_classes=3)
    once = fold(model, temperature, inplace=inplace).model
    for again in (once, copy.deepcopy(once)):
        with pytest.raises(tp.InvalidInputError, match=r"`0` holds a map already .*`temperance`"):
            fold(again, temperature, inplace=inplace)
    assert once[0].temperance["temperature"] == 2.0
    del once[0].temperance
    assert fold(once, temperature).layer == "0"


def test_folded_layers_learn_where_they_were_folded_in_inference_mode():
    """Weights of a copy are as those of the model; numbers of inference mode stay such."""
    linear, x = nn.Linear(4, 3), torch.randn(5, 4)
    temperature = TemperatureScaling(2.0, n_classes=3)
    with torch.inference_mode():
        folded = fold(linear, temperature, verify=x).model
        frozen = fold(nn.Linear(4, 3), temperature, inplace=True).model
    folded(x).sum().backward()
    assert folded.weight.grad.shape == (3, 4)
    assert frozen.weight.is_inference()
    with torch.device("meta"):
        assert fold(linear, temperature).parity[0].holds


def test_adapters_and_scripts_are_refused():
    """The base of an adapter is not all that its model gives; a script has no layers."""
    temperature = TemperatureScaling(2.0, n_classes=3)
    adapter = nn.Module()
    adapter.base_layer, adapter.low, adapter.high = (
        nn.Linear(4, 3),
        nn.Linear(4, 2),
        nn.Linear(2, 3),
    )
    with pytest.raises(tp.InvalidInputError, match=r"name it .*`layer`.*, and give inputs"):
        fold(adapter, temperature)
    with pytest.raises(tp.InvalidInputError, match=r"inside a .*merge adapters"):
        fold(adapter, temperature, layer="base_layer")
    with pytest.raises(tp.InvalidInputError, match="fold first, then script"):
        fold(scripted(network(4, 3)), temperature)


def scripted(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch, for its own way
        return torch.jit.script(model)


def test_inputs_and_weights_that_are_none():
    """What the model does not take, and weights that hold nan."""
    temperature = TemperatureScaling(2.0, n_classes=3)
    with pytest.raises(
        tp.InvalidInputError, match="`verify` must be what the model takes, got str"
    ):
        fold(network(4, 3), temperature, verify="x")
    with pytest.raises(RuntimeError) as caught:
        fold(network(4, 3), temperature, verify=torch.zeros(2, 9))
    assert caught.value.__notes__ == ["When the model ran on `verify`."]
    linear = nn.Linear(4, 3)
    linear.bias.data[0] = float("nan")
    with pytest.raises(tp.InvalidInputError, match="weights that are not finite"):
        fold(linear, temperature)
