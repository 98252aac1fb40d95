"""Files of torch.export.save: read where they are plain networks, refused where reading could run code."""

import json
import os
import pickle
import zipfile

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from qcompile.errors import DataError  # noqa: E402
from qcompile.frontend import export_program, load_program  # noqa: E402

nn = torch.nn
MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"
CONSTANTS, INPUTS = "data/constants/model_constants_config.json", "data/sample_inputs/model.pt"


class Sized(nn.Module):
    """Sizes that are computed, a constant, an equation, two inputs in a dictionary and two outputs."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 4)
        self.register_buffer("shift", torch.arange(6.0))

    def forward(self, given):
        x = given["a"] + self.shift + torch.tensor([1.0, 0, 0, 2, 0, 0])
        return self.out(x).reshape(x.shape[0] * 2, 2), torch.einsum("bi,bi->b", x, given["b"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    module, batch = Sized().eval(), torch.export.Dim("batch")
    example = ({"a": torch.randn(3, 6), "b": torch.randn(3, 6)},)
    program = torch.export.export(module, example, dynamic_shapes=({"a": {0: batch}, "b": {0: batch}},))
    path = tmp_path_factory.mktemp("program") / "program.pt2"
    torch.export.save(program, path)
    return module, path


def changed(path, target, changes):
    """``path`` with other entries: by name what makes new bytes of the old ones, or None to leave the entry out."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as written:
        names = {name.partition("/")[2] for name in archive.namelist()}
        for name in names | set(changes):
            data = archive.read(f"program/{name}") if name in names else b""
            data = changes[name](data) if name in changes else data
            if data is not None:
                written.writestr(f"program/{name}", data)
    return target


def of_json(change):
    """A change of bytes by one of the JSON in them, in place."""

    def apply(data):
        found = json.loads(data)
        change(found)
        return json.dumps(found).encode()

    return apply


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_program_computes_the_same_as_its_module_for_any_batch(saved, tmp_path):
    module, path = saved
    export_program(load_program(path), tmp_path / "p.onnx")
    given = {"a": torch.randn(5, 6), "b": torch.randn(5, 6)}
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx")
    names = [value.name for value in session.get_inputs()]
    feeds = dict(zip(names, [each.numpy() for each in given.values()], strict=True))
    with torch.no_grad():
        wanted = [each.numpy() for each in module(given)]
    for found, right in zip(session.run(None, feeds), wanted, strict=True):
        # Two orders of at most 7 terms of float32, of numbers up to 8 and weights below 1.
        assert np.abs(found - right).max() <= 2 * 7 * 2**-24 * 8 * 7


def test_example_inputs_are_never_unpickled(saved, tmp_path):
    sign = tmp_path / "sign"
    bad = changed(saved[1], tmp_path / "bad.pt2", {INPUTS: lambda data: pickle.dumps(Code(sign))})
    assert load_program(bad).graph is not None
    assert not sign.exists()


def first_payload(config):
    return next(iter(config["config"].values()))


def pickled(config):
    first_payload(config)["use_pickle"] = True


def outside(config):
    first_payload(config)["path_name"] = "../weight_0"


def opaque(config):
    first_payload(config)["path_name"] = "opaque_obj_0"


def nodes(program):
    return program["graph_module"]["graph"]["nodes"]


def other_operator(program):
    nodes(program)[0]["target"] = "torch.serialization.os.system"


def other_name(program):
    nodes(program)[0]["inputs"][0]["name"] = "x=print(1)"


def tree_of_imports(program):
    signature = program["graph_module"]["module_call_graph"][0]["signature"]
    context = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "x"})
    signature["in_spec"] = json.dumps([1, {"type": "builtins.dict", "context": context, "children_spec": []}])


def file_in_words(program):
    node = nodes(program)[0]
    node["target"] = "torch.ops.aten.from_file.default"
    node["inputs"][0]["arg"] = {"as_string": "file"}


def size_of_code(program):
    def walk(found):
        for key, each in found.items() if isinstance(found, dict) else enumerate(found):
            if key == "expr_str":
                found[key] = "__import__('os').getcwd()"
            elif isinstance(each, dict | list):
                walk(each)

    walk(program["graph_module"])


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        (WEIGHTS, pickled, "holds pickled objects"),
        (WEIGHTS, outside, "holds pickled objects"),
        (CONSTANTS, opaque, "holds pickled objects"),
        (MODEL, other_operator, "target 'torch.serialization.os.system', which is none"),
        (MODEL, other_name, "name 'x=print"),
        (MODEL, tree_of_imports, "its program has in_spec"),
        (MODEL, size_of_code, "its program has expr_str .__import__"),
        (MODEL, file_in_words, "aten.from_file.default' something in words"),
        (MODEL, lambda program: program.pop("graph_module"), "its program has no graph"),
    ],
)
def test_what_could_run_as_code_is_refused(saved, tmp_path, entry, change, message):
    bad = changed(saved[1], tmp_path / "bad.pt2", {entry: of_json(change)})
    with pytest.raises(DataError, match=message):
        load_program(bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data/aotinductor/model/model.so": lambda data: b"code"}, "holds libraries compiled by torch"),
        ({"models/other.json": lambda data: b"{}"}, "programs in it: models/model.json, models/other.json"),
        ({MODEL: lambda data: None}, "programs in it: none"),
        ({MODEL: lambda data: data[:-9]}, "is no JSON"),
        ({"data/weights/weight_0": lambda data: None}, "has no data/weights/weight_0"),
        ({"data/weights/weight_0": lambda data: data[:-8]}, "cannot read the program"),
    ],
)
def test_what_is_not_one_whole_program_is_refused(saved, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        load_program(changed(saved[1], tmp_path / "bad.pt2", changes))


def test_notes_that_nothing_needs_are_left_out(saved, tmp_path):
    def note(program):
        program["guards_code"] = ["print(1)"]
        nodes(program)[0]["metadata"] = {"source_fn_stack": "x,torch.os.system"}

    program = load_program(changed(saved[1], tmp_path / "noted.pt2", {MODEL: of_json(note)}))
    assert not program._guards_code
    assert not any("source_fn_stack" in node.meta for node in program.graph.nodes)


def test_each_other_kind_of_file_is_told_what_it_is(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(DataError, match=r"weights or a whole module, .* Make the module and load them, then export it"):
        load_program(tmp_path / "weights.pth")
    torch.save({}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "text.pt2").write_text("hello")
    for name in ("old.pth", "text.pt2"):
        with pytest.raises(DataError, match=r"no program of torch\.export, or damaged: .*torch\.export\.save"):
            load_program(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save writes it
        archive.writestr("script/constants.pkl", b"")
        archive.writestr("script/code/module.py", b"")
    with pytest.raises(DataError, match=r"TorchScript, wanted a program of torch\.export"):
        load_program(tmp_path / "script.pt")
