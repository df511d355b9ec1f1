"""Tables with scores and labels, written in every format and type."""

import numpy as np
import pytest


def arrow(path, columns):
    """Write columns in the format of the suffix; `stream` in the name makes an Arrow stream."""
    pa = pytest.importorskip("pyarrow")
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
    else:
        new = pa.ipc.new_stream if "stream" in path.name else pa.ipc.new_file
        with new(path, table.schema) as writer:
            writer.write_table(table)
    return path


TYPES = [None, "dictionary", "large_string", "int8", "uint64", "float32"]


def write(path, names, logits, labels, type_=None):
    """Write a file with columns (keys) of the names; False if it cannot have labels of the type."""
    if path.suffix == ".npz":
        np.savez(path, logits=logits, labels=np.array(labels), classes=np.array(names))
        return type_ is None
    if path.suffix in {".csv", ".tsv"}:
        comma = "," if path.suffix == ".csv" else "\t"
        lines = [comma.join([*(f"logit_{name}" for name in names), "label"])]
        lines += [
            comma.join([*map(str, row), str(label)])
            for row, label in zip(logits.tolist(), labels, strict=True)
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return type_ is None
    pa = pytest.importorskip("pyarrow")
    column = pa.array(labels)
    if type_ == "dictionary":
        if pa.types.is_boolean(column.type):
            return False
        column = column.dictionary_encode()
    elif type_ is not None:
        text = pa.types.is_string(column.type)
        if text != (type_ == "large_string") or pa.types.is_boolean(column.type):
            return False
        try:
            column = column.cast(pa.type_for_alias(type_))
        except pa.ArrowInvalid:
            return False
    columns = {f"logit_{name}": logits[:, j] for j, name in enumerate(names)}
    arrow(path, {**columns, "label": column})
    return True
