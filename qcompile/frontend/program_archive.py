"""What torch.export.save wrote, with everything refused that loading is known to run as code.

torch.export.load takes pickles for weights, constants and example inputs, loads compiled libraries, evaluates sizes as
Python, imports what tree structures name, and looks operators up by any name. A program of standard operators needs
none of this. What is given on is a new archive of what was checked, so that two readers cannot see different things.
docs/decisions/0020.
"""

import io
import json
import pathlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from qcompile.errors import DataError
from qcompile.frontend.program_text import check_program

MAX_BYTES = 2**31 - 1
MODEL, WEIGHTS, CONSTANTS = "models/model.json", "data/weights/", "data/constants/"
CONFIGS = (f"{WEIGHTS}model_weights_config.json", f"{CONSTANTS}model_constants_config.json")
NO_INPUTS = "data/sample_inputs/model.pt"
EXPORT = "In Python: torch.export.save(torch.export.export(module.eval(), example_inputs), 'program.pt2')"


def checked_archive(path: pathlib.Path) -> io.BytesIO:
    """The program in the file ``path``, as an archive that torch.export.load takes and that holds no pickle.

    Raises DataError for what is no program of torch.export, is damaged, too large, or would run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(path, archive)
            _check_kind(path, entries)
            return _written(path, archive, entries)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: no program of torch.export, or damaged: {error}. {EXPORT}") from error


def _entries(path: pathlib.Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in ``archive`` by name, without the folder that all of it is in."""
    infos = archive.infolist()
    found = {info.filename.partition("/")[2]: info for info in infos}
    if len(found) != len(infos):
        raise DataError(f"{path}: two entries of one name. {EXPORT}")
    size = sum(info.file_size for info in infos)
    if size > MAX_BYTES:
        raise DataError(f"{path}: {size} bytes, at most {MAX_BYTES} become one ONNX file")
    return found


def _check_kind(path: pathlib.Path, entries: Mapping[str, zipfile.ZipInfo]) -> None:
    """Raises DataError unless there is one program, and nothing compiled."""
    programs = [name for name in entries if name.startswith("models/")]
    if any(name.startswith("data/aotinductor/") for name in entries):
        raise DataError(f"{path}: holds libraries compiled by torch, which loading would run. {EXPORT}")
    if "constants.pkl" in entries or any(name.startswith("code/") for name in entries):
        raise DataError(f"{path}: TorchScript, wanted a program of torch.export. {EXPORT}")
    if "data.pkl" in entries:
        raise DataError(
            f"{path}: weights or a whole module, pickled by torch.save, wanted a program of torch.export: it says how "
            f"the weights are used. Make the module and load them, then export it. {EXPORT}"
        )
    if programs != [MODEL]:
        found = ", ".join(sorted(programs)) or "none"
        raise DataError(f"{path}: programs in it: {found}, wanted one called model, by torch 2.8 or later. {EXPORT}")


def _written(path: pathlib.Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> io.BytesIO:
    """A new archive of the program, the weights and the constants, all checked."""
    texts = {name: _json(path, archive, entries, name) for name in (MODEL, *CONFIGS)}
    check_program(path, texts[MODEL])
    data = {name: json.dumps(text).encode() for name, text in texts.items()}
    for name in CONFIGS:
        for file in _payloads(path, texts[name]):
            place = name.rpartition("/")[0] + f"/{file}"
            data[place] = archive.read(_entry(path, entries, place))
    data |= {NO_INPUTS: b"", "archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little"}
    data[".data/version"] = b"6\n"
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as written:
        for name, content in data.items():
            written.writestr(f"program/{name}", content)
    found.seek(0)
    return found


def _entry(path: pathlib.Path, entries: Mapping[str, zipfile.ZipInfo], name: str) -> zipfile.ZipInfo:
    if name not in entries:
        raise DataError(f"{path}: has no {name}: damaged? {EXPORT}")
    return entries[name]


def _json(path: pathlib.Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str) -> Any:
    try:
        return json.loads(archive.read(_entry(path, entries, name)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {name} is no JSON ({error})") from error


def _payloads(path: pathlib.Path, config: Any) -> list[str]:
    """The files that hold tensors. Raises DataError where one is a pickle or an object."""
    payloads = config.get("config") if isinstance(config, dict) else None
    if not isinstance(payloads, dict) or not all(isinstance(each, dict) for each in payloads.values()):
        raise DataError(f"{path}: does not say which tensors it holds: damaged? {EXPORT}")
    names = [each.get("path_name") for each in payloads.values()]
    plain = all(isinstance(name, str) and re.fullmatch(r"(weight|tensor)_\d+", name) for name in names)
    if not plain or any(each.get("use_pickle") is not False for each in payloads.values()):
        raise DataError(
            f"{path}: holds pickled objects, which loading would run. Programs of plain tensors are taken; in Python "
            "qcompile.frontend.compile_program takes any program that you have loaded yourself"
        )
    return list(dict.fromkeys(names))
