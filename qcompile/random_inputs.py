"""Inputs made up for a model where none are given: random values of the shapes and types that it asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from qcompile.errors import DataError

Array = npt.NDArray[Any]
SEED = 0


def random_inputs(
    model: onnx.ModelProto, *, batch: int | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Array]:
    """An array for each input of ``model``, the same for the same arguments.

    Floats are in [0, 1), bytes anything, other integers 0 or 1: ids and masks of any model. ``shapes`` are those of
    inputs by name; elsewhere a free first axis has ``batch`` elements (None: 1) and any other free axis 1.

    Raises DataError where an input cannot be made up, or is not as the model fixes it.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    wanted = {value.name: value.type for value in model.graph.input if value.name not in stored}
    given = shapes or {}
    if unknown := sorted(set(given) - set(wanted)):
        raise DataError(f"a shape for {', '.join(unknown)}: the model's inputs are {', '.join(wanted) or 'none'}")
    random = np.random.default_rng(SEED)
    return {name: _values(random, name, kind, given.get(name), batch) for name, kind in wanted.items()}


def _values(
    random: np.random.Generator, name: str, kind: onnx.TypeProto, shape: Sequence[int] | None, batch: int | None
) -> Array:
    if not kind.HasField("tensor_type"):
        raise DataError(f"input {name} is no tensor and cannot be made up; give it: --inputs x.npz")
    sizes = _sizes(name, kind.tensor_type, shape, batch)
    try:
        return _fill(random, name, kind.tensor_type.elem_type, sizes)
    except (MemoryError, ValueError) as error:
        raise DataError(f"input {name} {list(sizes)} does not fit into memory: {error}") from error


def _sizes(name: str, tensor: onnx.TypeProto.Tensor, shape: Sequence[int] | None, batch: int | None) -> tuple[int, ...]:
    """The shape to make: the given one where the model allows it."""
    if not tensor.HasField("shape"):
        if shape is None:
            raise DataError(f"input {name} has no shape in the model; say one, such as --shape {name}=1x3x224x224")
        return tuple(shape)
    axes = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if shape is None:
        shape = [size or 1 for size in axes]
        if batch is not None and axes:
            shape = [batch, *shape[1:]]
    fits = len(shape) == len(axes) and all(axis in (None, size) for axis, size in zip(axes, shape, strict=True))
    if not fits:
        free = " x ".join("any" if axis is None else str(axis) for axis in axes)
        raise DataError(f"input {name}: given {' x '.join(map(str, shape))}, the model takes {free or 'one value'}")
    return tuple(shape)


def _fill(random: np.random.Generator, name: str, element: int, sizes: tuple[int, ...]) -> Array:
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(element)
    except KeyError:
        dtype = np.dtype(object)
    if dtype in (np.float16, np.float32, np.float64):
        return np.asarray(random.random(sizes)).astype(dtype)
    if dtype in (np.int8, np.uint8):
        limits = np.iinfo(dtype)
        return np.asarray(random.integers(limits.min, limits.max + 1, sizes)).astype(dtype)
    if dtype.kind in "iub" and dtype.isbuiltin:
        return np.asarray(random.integers(0, 2, sizes)).astype(dtype)
    raise DataError(f"input {name} is of a type that cannot be made up; give it: --inputs x.npz")
