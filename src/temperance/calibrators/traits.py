"""What a method keeps, what it costs, what it needs: one row of the table of all methods."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Traits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Facts about a method, in words, besides those that other code asks for (true or false).

    Parameters
    ----------
    type : str
        Whether a fixed number of numbers describes the map (parametric) or the data shape it.
    summary : str
        What the map does to a row.
    parameters : str
        How many numbers are learned, for k classes.
    labels : str
        How many labelled rows it wants.
    cost : str
        Work of a fit on n rows of k classes.
    keeps_class : bool
        The predicted class of a row never changes.
    keeps_order : bool
        The order of the classes within a row never changes.
    keeps_ranking : str
        Whether two rows keep their order by the probability of a class.
    classes : str
        Which numbers of classes it takes, natively or one-vs-rest.
    risk : str
        Of over-fitting.
    source : str
        The paper.
    binary : bool
        Only two classes.
    masks : bool
        Takes rows in which some options do not exist (logit -inf).
    prior : bool
        `fit` takes `prior=`.
    groups : bool
        `fit` and `apply` take `groups=`.
    members : bool
        `fit` and `apply` take the outputs of several models.
    zeros : bool
        Takes rows whose label has probability 0: it needs no logarithm of it.
    any_width : bool
        Learns nothing about single classes, so rows may have any number of options.
    learned : tuple of int
        `parameters` as coefficients of 1, k and k^2; none where the data decide how many.
    """

    type: str
    summary: str
    parameters: str
    labels: str
    cost: str
    keeps_class: bool
    keeps_order: bool
    keeps_ranking: str
    classes: str
    risk: str
    source: str
    binary: bool = False
    masks: bool = True
    prior: bool = False
    groups: bool = False
    members: bool = False
    zeros: bool = False
    any_width: bool = False
    learned: tuple[int, ...] = ()

    def n_parameters(self, k: int) -> int:
        """Return how many numbers are learned for k classes; 0 where the data decide."""
        return sum(number * k**power for power, number in enumerate(self.learned))

    def to_dict(self) -> dict[str, str | bool]:
        """Return all fields that `parameters` does not say already."""
        return {name: value for name, value in asdict(self).items() if name != "learned"}
