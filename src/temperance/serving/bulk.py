"""Rows in bulk, as NumPy archives and Arrow streams, answered in the same form."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import column_order, in_order, put_back
from temperance.checks import as_known_names
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.arrow import read_arrow_stream
from temperance.readers.guard import refusing
from temperance.readers.npz import read_npz
from temperance.readers.request import Request, check_shapes
from temperance.serving.served import RequestRows

if TYPE_CHECKING:
    from temperance.readers.request import FileRows
    from temperance.serving.limits import Limits
    from temperance.serving.served import Answered, Reply, Served

__all__ = ["answer_arrow", "answer_npz"]

_BODY = "the body"
_PROBS_EACH = 100  # classes up to which each has a column; else they are lists


def answer_npz(body: bytes, served: Served, limits: Limits) -> Reply:
    """Return a .npz with `probs` and `accepted`.

    Parameters
    ----------
    body : bytes
        A .npz with `logits` or `probs`, as `temperance apply` reads it: `groups` and `classes`
        count, all else does not.
    served : Served
        The map.
    limits : Limits
        How many rows, and unpacked bytes, are taken.

    Returns
    -------
    Reply
        `probs` as `Calibrator.apply` gives them, float32 of float32 logits; `accepted` of a
        policy; `calibrator` and `policy`, what was applied, JSON as text.

    Raises
    ------
    FileFormatError
        No such archive.
    InvalidInputError
        What the calibrator refuses.
    RefusalError
        Too many rows or bytes.
    """
    with refusing(_BODY):
        with zipfile.ZipFile(BytesIO(body)) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
        limits.check_bytes(unpacked, what="what the body holds")
        rows = check_shapes(read_npz(BytesIO(body), Request(labels=False)), "rows")
    answered, _warnings = _answered(rows, served, limits)
    arrays: dict[str, Any] = {"probs": answered.probs}
    if answered.accepted is not None:
        arrays["accepted"] = answered.accepted
    if answered.bands is not None and served.has_bands:
        arrays["band"] = answered.bands
    buffer = BytesIO()
    arrays |= {name: json.dumps(each) for name, each in served.description.items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    return answered.reply(buffer.getvalue())


def answer_arrow(body: bytes, served: Served, limits: Limits) -> Reply:
    """Return an Arrow stream with probabilities and `accepted`.

    Parameters
    ----------
    body : bytes
        An Arrow IPC stream, not compressed, with a column per class (`logit_<class>`) or lists.
    served, limits
        As of `answer_npz`.

    Returns
    -------
    Reply
        Columns `prob_<class>` where the columns, or the calibrator, have names and are at most
        100, else one of lists, `probs`; `accepted` of a policy; `calibrator` and `policy`, JSON, in
        the metadata of the schema.

    Raises
    ------
    FileFormatError
        No such stream.
    InvalidInputError
        What the calibrator refuses.
    RefusalError
        Too many rows.
    MissingDependencyError
        pyarrow is not installed.
    """
    with refusing(_BODY):
        request = Request(labels=False)
        rows = read_arrow_stream(
            body, request, check_rows=limits.check_rows, check_options=limits.check_options,
            check_bytes=partial(limits.check_bytes, what="what the body holds"),
        )  # fmt: skip
        rows = check_shapes(rows, "rows")
    answered, names = _answered(rows, served, limits)
    import pyarrow as pa  # noqa: PLC0415 - optional package

    probs = answered.probs
    columns: dict[str, Any] = {}
    if names is not None and len(names) <= _PROBS_EACH and probs.ndim == 2:
        columns = {f"prob_{name}": probs[:, j] for j, name in enumerate(names)}
    elif probs.ndim == 2:
        flat = pa.array(np.ascontiguousarray(probs).ravel())
        columns["probs"] = pa.FixedSizeListArray.from_arrays(flat, probs.shape[1])
    else:
        columns["prob"] = probs
    if answered.accepted is not None:
        columns["accepted"] = answered.accepted
    if answered.bands is not None and served.has_bands:
        columns["band"] = answered.bands
    table = pa.table(columns).replace_schema_metadata(
        {name: json.dumps(each) for name, each in served.description.items()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return answered.reply(sink.getvalue().to_pybytes())


def _answered(
    rows: FileRows, served: Served, limits: Limits
) -> tuple[Answered, tuple[str, ...] | None]:
    """Return the answer to rows of a file, columns in their order, and the columns' names."""
    if served.cascade is not None:
        msg = "rows of a cascade are taken as JSON only."
        raise InvalidInputError(msg)
    calibrator = served.calibrator
    values = rows.values
    if values is None or rows.kind is None:
        msg = f"{_BODY} has no logits and no probs."
        raise FileFormatError(msg)
    if calibrator.kind == "answers" or calibrator.traits.members:
        msg = "scores of answers, and the models of an ensemble, are taken as JSON only."
        raise InvalidInputError(msg)
    limits.check_rows(len(values))
    order = column_order(rows.classes, calibrator.classes, whose="the calibrator")
    groups = None if rows.groups is None else as_known_names(rows.groups, n=len(values))
    has_groups = calibrator.traits.groups or served.policy is not None
    if rows.ragged and rows.kind == "probs" and served.floor:
        msg = (
            "`probs` of rows of different lengths are taken as JSON only, where a calibrator has a "
            "floor of probabilities: here an option that does not exist looks like one of 0."
        )
        raise InvalidInputError(msg)
    request = RequestRows(rows.kind, in_order(values, order), groups if has_groups else None)
    answered = served.answer(request)
    names = rows.classes or calibrator.classes
    if order is None:
        return answered, names
    return answered._replace(probs=put_back(answered.probs, order)), names
