"""The operations of a map as modules, one each: what `temperance.calibrators.operations` says.

A step takes x and what its operation may ask for, and gives the next x. -inf stays an option that
does not exist where the operation says so; steps that need finite numbers (`finite`) get a large
negative one in its place, and which options `exist`. The numbers of a step are float64 and are
rounded to the precision of x when they are used. Annotations are types, not text, as TorchScript
reads them.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]

from temperance.calibrators import operations as ops
from temperance.calibrators.two_classes import MOST_LOG_ODDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Step", "lowest_logit", "steps_of"]


def lowest_logit(x: Tensor) -> float:
    """Return the number that stands for -inf in arithmetic: finite after any usual step."""
    return -1e200 if x.dtype == torch.float64 else -1e30


class Step(nn.Module):
    """One operation; what it does to a tensor, (..., k), is `forward`."""

    finite = False  # x must hold no -inf
    divides = False  # the largest of a row, where it is 0, stays so
    centred = False  # the largest of each row is known to be 0
    knots = False  # a number a little off may change the result: float64, and nothing to train

    def numbers(self, name: str, values: Any, *, trainable: bool) -> None:  # noqa: ANN401
        """Keep numbers under a name, in float64: a parameter where they are to be trained."""
        tensor = torch.tensor(values, dtype=torch.float64)
        if trainable and not self.knots:
            self.register_parameter(name, nn.Parameter(tensor))
        else:
            self.register_buffer(name, tensor)


class Divide(Step):
    """x / by."""

    divides = True
    by: Tensor

    def __init__(self, step: ops.Divide, *, trainable: bool) -> None:
        super().__init__()
        self.in_place = not trainable
        self.numbers("by", step.by, trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Divide; without another tensor of this size, which would cost as much again."""
        by = self.by.to(x.dtype)
        return x.div_(by) if self.in_place else x / by


class DivideByGroup(Step):
    """x / by of the row's group; the last of all where it is of none (-1)."""

    divides = True
    by: Tensor

    def __init__(self, step: ops.DivideByGroup, *, trainable: bool) -> None:
        super().__init__()
        self.numbers("by", [*step.by.values(), step.pooled], trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Divide each row."""
        by = self.by.to(x.dtype)
        if groups is None:
            return x / by[-1]
        place = torch.where(groups < 0, groups + by.size(0), groups)
        return x / by[place].unsqueeze(-1)


class Smooth(Step):
    """log((1 - share) softmax(x) + share / number of options)."""

    finite = True
    share: Tensor

    def __init__(self, step: ops.Smooth, *, trainable: bool) -> None:
        super().__init__()
        self.numbers("share", step.share, trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Mix the probabilities of the options that exist."""
        share = self.share.to(x.dtype)
        probs = torch.softmax(x, -1)
        if exists is None:
            return torch.log((1.0 - share) * probs + share / x.size(-1))
        options = exists.to(x.dtype).sum(-1, keepdim=True)
        mixed = torch.log((1.0 - share) * probs + share / options)
        return torch.where(exists, mixed, x)


class LogSoftmax(Step):
    """x - log sum exp x."""

    def __init__(self, step: ops.LogSoftmax, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Normalise."""
        return torch.log_softmax(x, -1)


class Affine(Step):
    """A factor, or a mixture of all columns, and a bias."""

    finite = True
    weights: Tensor
    bias: Tensor

    def __init__(self, step: ops.Affine, *, trainable: bool) -> None:
        super().__init__()
        self.numbers("weights", step.weights, trainable=trainable)
        self.numbers("bias", step.bias, trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Multiply and add; what does not exist stays where it is."""
        weights, bias = self.weights.to(x.dtype), self.bias.to(x.dtype)
        if weights.dim() == 2:
            return x @ weights.t() + bias
        y = x * weights + bias
        if exists is None or exists.size(-1) != y.size(-1):
            return y
        return torch.where(exists, y, x)


class LogOdds(Step):
    """x_1 - x_0."""

    def __init__(self, step: ops.LogOdds, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Subtract."""
        return x[..., 1:2] - x[..., 0:1]


class OneVsRest(Step):
    """x_c - log sum of exp x_d over d != c, without subtracting two numbers that are alike."""

    def __init__(self, step: ops.OneVsRest, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Leave the largest out of its own sum; the sum without another is at least half of it."""
        top = x.argmax(-1, keepdim=True)
        largest = x.gather(-1, top)
        is_top = torch.zeros_like(x).scatter(-1, top, 1.0) > 0.5
        powers = torch.exp(x - largest)
        rest = torch.where(is_top, 1.0, powers.sum(-1, keepdim=True) - powers)
        others = x.masked_fill(is_top, -float("inf"))
        second = others.amax(-1, keepdim=True).clamp(min=lowest_logit(x))
        of_top = torch.exp(others - second).sum(-1, keepdim=True).clamp(min=1e-30)
        return x - torch.where(is_top, second + torch.log(of_top), largest + torch.log(rest))


class BetaCurve(Step):
    """a log p - b log(1 - p) + c of log-odds."""

    finite = True
    abc: Tensor

    def __init__(self, step: ops.BetaCurve, *, trainable: bool) -> None:
        super().__init__()
        self.numbers("abc", (step.a, step.b, step.c), trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Add the two logarithms."""
        abc = self.abc.to(x.dtype)
        none = torch.zeros_like(x)
        log_p, log_not_p = -torch.logaddexp(none, -x), -torch.logaddexp(none, x)
        return abc[0] * log_p - abc[1] * log_not_p + abc[2]


def _below(knots: Tensor, x: Tensor) -> Tensor:
    """Return how many knots, (..., m) in rising order, lie below each number, (..., n).

    A script knows nothing of ONNX, which has no search.
    """
    if not is_scripting():  # noqa: SIM102  (pruned there)
        if torch.onnx.is_in_onnx_export():  # m times the memory
            return (knots.unsqueeze(-2) < x.unsqueeze(-1)).sum(-1)
    return torch.searchsorted(knots, x)


def _up_to(knots: Tensor, x: Tensor) -> Tensor:
    """Return the same with the knots that are as large."""
    if not is_scripting():  # noqa: SIM102  (pruned there)
        if torch.onnx.is_in_onnx_export():
            return (knots.unsqueeze(-2) <= x.unsqueeze(-1)).sum(-1)
    return torch.searchsorted(knots, x, right=True)


class Curves(Step):
    """A line through knots per column, constant beyond the ends."""

    knots = True
    log_odds: Tensor
    probabilities: Tensor

    def __init__(self, step: ops.Curves, *, trainable: bool) -> None:
        super().__init__()
        most = max(len(each) for each in step.log_odds)
        self.finite = not any(each[0] <= -MOST_LOG_ODDS for each in step.log_odds)
        self.numbers("log_odds", _as_long(step.log_odds, most), trainable=trainable)
        self.numbers("probabilities", _as_long(step.probabilities, most), trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Interpolate between the knots around x."""
        knots, levels = self.log_odds.to(x.dtype), self.probabilities.to(x.dtype)
        k = knots.size(0)
        columns = x.reshape(-1, k).t().contiguous()
        inside = torch.minimum(torch.maximum(columns, knots[:, :1]), knots[:, -1:])
        end = _below(knots, inside.detach()).clamp(1, max(knots.size(1) - 1, 1))
        start, end = end - 1, end.clamp(max=knots.size(1) - 1)
        low, high = levels.gather(1, start), levels.gather(1, end)
        left = knots.gather(1, start)
        width = knots.gather(1, end) - left
        share = (inside - left) / torch.where(width > 0.0, width, 1.0)
        return (low + share * (high - low)).t().reshape(x.shape)


class Steps(Step):
    """p1 / (1 - p0 + p1) of two step functions; constant in between, so its slope is 0."""

    knots = True
    lower_from: Tensor
    lower: Tensor
    upper_to: Tensor
    upper: Tensor

    def __init__(self, step: ops.Steps, *, trainable: bool) -> None:
        super().__init__()
        self.finite = step.lower_from[0] > -MOST_LOG_ODDS
        self.most = MOST_LOG_ODDS
        self.numbers("lower_from", step.lower_from, trainable=trainable)
        self.numbers("lower", (0.0, *step.lower), trainable=trainable)
        self.numbers("upper_to", step.upper_to, trainable=trainable)
        self.numbers("upper", (*step.upper, 1.0), trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Look both up."""
        inside = x.clamp(-self.most, self.most).contiguous()
        odds = inside.detach()
        below = _up_to(self.lower_from.to(x.dtype), odds)
        above = _below(self.upper_to.to(x.dtype), odds)
        low, high = self.lower.to(x.dtype)[below], self.upper.to(x.dtype)[above]
        return high / (1.0 - low + high) + 0.0 * inside  # nan stays nan


class WithZero(Step):
    """Log-odds as the logits (0, x) of two classes."""

    def __init__(self, step: ops.WithZero, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Put 0 before; log-odds beyond the range of numbers are at its end."""
        most = 1e300 if x.dtype == torch.float64 else 1e38
        x = x.clamp(-most, most)
        return torch.cat((torch.zeros_like(x), x), -1)


class WithComplement(Step):
    """A probability as those of two classes."""

    def __init__(self, step: ops.WithComplement, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Put 1 - p before."""
        return torch.cat((1.0 - x, x), -1)


class Softmax(Step):
    """Probabilities that add up to 1."""

    def __init__(self, step: ops.Softmax, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Take exponentials, normalise; on a processor torch's own is slow over short rows."""
        if self.centred and x.device.type == "cpu" and not torch.is_grad_enabled():
            return x.exp_().div_(x.sum(-1, keepdim=True))
        return torch.softmax(x, -1)


class Sigmoid(Step):
    """A probability for each column on its own."""

    def __init__(self, step: ops.Sigmoid, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Take the logistic function."""
        return torch.sigmoid(x)


class Normalize(Step):
    """Shares of the row's sum."""

    def __init__(self, step: ops.Normalize, *, trainable: bool) -> None:
        super().__init__()

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Divide by the sum of the options that exist."""
        if exists is not None:
            x = x * exists.to(x.dtype)
        return x / x.sum(-1, keepdim=True)


class WeightedPool(Step):
    """Members on the first axis become one: the mean of their log-probabilities, or its kind."""

    weights: Tensor

    def __init__(self, step: ops.WeightedPool, *, trainable: bool) -> None:
        super().__init__()
        self.linear = step.pool == "linear"
        self.numbers("weights", step.weights, trainable=trainable)

    def forward(self, x: Tensor, exists: Tensor | None, groups: Tensor | None) -> Tensor:
        """Pool; of an option that exists for no member, -inf."""
        weights = self.weights.to(x.dtype).reshape([-1] + [1] * (x.dim() - 1))
        logs = torch.log_softmax(x, -1)
        if self.linear:
            return torch.logsumexp(logs + torch.log(weights), 0)
        missing = logs == -float("inf")
        pooled = (weights * logs.masked_fill(missing, 0.0)).sum(0)
        return pooled.masked_fill((missing & (weights > 0.0)).any(0), -float("inf"))


def _as_long(rows: "Sequence[Sequence[float]]", most: int) -> list[list[float]]:
    """Return rows of one length: the last number again and again, which changes no line."""
    return [[*each, *[each[-1]] * (most - len(each))] for each in rows]


_STEPS: "dict[type, Callable[..., Step]]" = {
    ops.Affine: Affine,
    ops.BetaCurve: BetaCurve,
    ops.Curves: Curves,
    ops.Divide: Divide,
    ops.DivideByGroup: DivideByGroup,
    ops.LogOdds: LogOdds,
    ops.LogSoftmax: LogSoftmax,
    ops.Normalize: Normalize,
    ops.OneVsRest: OneVsRest,
    ops.Sigmoid: Sigmoid,
    ops.Smooth: Smooth,
    ops.Softmax: Softmax,
    ops.Steps: Steps,
    ops.WeightedPool: WeightedPool,
    ops.WithComplement: WithComplement,
    ops.WithZero: WithZero,
}


def steps_of(operations: "Sequence[ops.Operation]", *, trainable: bool) -> list[Step]:
    """Return the module of each operation, with its numbers to train or not."""
    steps = [_STEPS[type(each)](each, trainable=trainable) for each in operations]
    steps[-1].centred = all(each.divides for each in steps[:-1])
    return steps
