"""Reads the binary version of CIFAR-10: records of a label byte and 3 x 32 x 32 pixel bytes, red, green, blue."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

CLASSES = 10
_SHAPE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32
_LARGEST_FILE_BYTES = 1 << 30
_AGAIN = "download the binary version again"

Bytes = npt.NDArray[np.uint8]


def read_batch(path: Path) -> tuple[Bytes, Bytes]:
    """The images uint8 [count, 3, 32, 32] and the labels uint8 [count], each below 10, in ``path``.

    Raises DataError if the file cannot be read or does not consist of whole records.
    """
    try:
        size = path.stat().st_size
        if size == 0 or size % _RECORD_BYTES or size > _LARGEST_FILE_BYTES:
            raise DataError(f"{path}: found {size} bytes, wanted a multiple of {_RECORD_BYTES}; {_AGAIN}")
        records = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    records = records.reshape(-1, _RECORD_BYTES)
    labels = records[:, 0]
    if int(labels.max()) >= CLASSES:
        place = int((labels >= CLASSES).argmax())
        raise DataError(f"{path}: label {place} is {labels[place]}, wanted 0 to {CLASSES - 1}; is it another file?")
    return records[:, 1:].reshape(-1, *_SHAPE), labels
