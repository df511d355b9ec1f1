"""Rows of a cascade as JSON: what each model that was asked says, and who is to be asked next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError
from temperance.serving.json_rows import as_json, in_blocks, rows_of, score_key
from temperance.serving.served import Reply

if TYPE_CHECKING:
    from temperance.serving.json_rows import RowArrays
    from temperance.serving.limits import Limits
    from temperance.serving.served import Served

__all__ = ["answer_cascade"]


def answer_cascade(content: dict[str, Any], served: Served, limits: Limits) -> Reply:
    """Return the answer to `{"logits": {"small": [[...], ...], "large": [[...], ...]}}`.

    Parameters
    ----------
    content : dict
        `logits` or `probs`: by the name of each model that was asked, its rows; of a later model
        all rows, or those that go on to it, in their order. Rows that look like probabilities are
        logits where `refuse_probs` is false.
    served : Served
        The cascade.
    limits : Limits
        How many rows are taken.

    Returns
    -------
    Reply
        JSON with `probs`; `answered_by`, whose they are; `ask`, the model to ask next about each
        row, null where the answer stands; `calibrator` and `cascade`, what was applied.

    Raises
    ------
    InvalidInputError
        What is no rows of numbers by the names of models, or what the cascade refuses.
    RefusalError
        Too many rows.
    """
    policy = served.cascade
    assert policy is not None  # noqa: S101  (asked of a cascade only)
    key = score_key(content)
    models = content[key]
    if not isinstance(models, dict) or not models:
        example = f'{{"{policy.names[0]}": [[2.0, 0.5]]}}'
        got = value_text(models)
        msg = f"`{key}` must be rows by the name of a model, as {example}, got {got}."
        raise InvalidInputError(msg)
    for name in ("groups", "clusters"):
        if content.get(name) is not None:
            msg = f"`{name}` must not be given: a cascade has none."
            raise InvalidInputError(msg)
    refuse_probs = content.get("refuse_probs", True)
    if not isinstance(refuse_probs, bool):
        msg = f"`refuse_probs` must be true or false, got {value_text(refuse_probs)}."
        raise InvalidInputError(msg)
    by_model = {name: rows_of(rows, f"{key}[{name}]", limits) for name, rows in models.items()}
    logits = {name: _logits(each, key, served) for name, each in by_model.items()}
    routed = policy.apply(logits, refuse_probs=refuse_probs and key == "logits")
    names = [*policy.names, None]
    next_model = np.where(routed.goes_on, routed.model + 1, len(policy.names))
    first = by_model[policy.names[0]]
    parts = [
        b'{"probs":[', b",".join(in_blocks(routed.probs, first.lengths)), b"]",
        b',"answered_by":' + as_json([names[number] for number in routed.model]),
        b',"ask":' + as_json([names[number] for number in next_model]),
        b",", served.description_json,
    ]  # fmt: skip
    stands = int(np.count_nonzero(~routed.goes_on))
    return Reply(b"".join(parts), len(routed.probs), stands)


def _logits(rows: RowArrays, key: str, served: Served) -> Any:  # noqa: ANN401  (an array)
    return served.from_probs(rows.values, rows.mask) if key == "probs" else rows.values
