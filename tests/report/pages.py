"""What the tests of pages share: a report with everything in it, and a reader of HTML."""

import json
from html.parser import HTMLParser

import numpy as np
import onnx

from qcompile.bit_plan import LayerBits, write_plan
from qcompile.kernel_choice import kernels_of
from qcompile.report import report_file

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202egnp\u2066\x1b[31m"
CLOSED = {
    "html",
    "head",
    "body",
    "table",
    "tr",
    "td",
    "th",
    "section",
    "details",
    "svg",
    "figure",
    "dl",
    "script",
    "style",
}


class Page(HTMLParser):
    """The elements, texts and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.rows, self.figures = [], {}
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag in CLOSED:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "dt":
            self.figures[len(self.figures)] = []

    def handle_endtag(self, tag):
        if tag in CLOSED:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.figures and self.open and self.open[-1] == "dl":
            self.figures[len(self.figures) - 1].append(data)

    @property
    def key_figures(self):
        """By name, the value and what stands beside it."""
        return {name: rest for name, *rest in self.figures.values() if len(rest) == 2}


def rename(packed_model, name):
    """Gives the layer conv, and the tensors that it stores, another name."""
    packed_model.node("conv").name = name
    return packed_model


def write_plans(folder, conv="conv"):
    """Plans of the packed model's two layers; that of 3 bits is the one that the file follows."""
    folder.mkdir()
    for bits, loss in ((2, 0.5), (3, 0.3), (4, 0.4)):
        plan = {conv: LayerBits(bits, 8), "fc": LayerBits(1, 8)}
        costs = {"packed_bytes": 100 * bits}
        changes = {conv: {str(bits): 0.25}}
        notes = {"budget": f"bits={bits}", "loss": loss, "costs": costs, "change_of_outputs_by_bits": changes}
        (folder / f"bits-{bits}.json").write_text(write_plan(plan, notes))
    return folder


def write_run(folder, iterations=3):
    """The metrics of a run that learned the packed model's layers."""
    folder.mkdir()
    layer = {"distance": 0.5, "changed": 0.1, "bits": 1, "entries": [-1.0, 1.0]}
    lines = [
        {"stage": "learning", "iteration": k, "loss": 1 / (k + 1), "distance": 0.5**k, "layers": {"fc.weight": layer}}
        | {"decoded": {"train_loss": 2.0} if k else None}
        for k in range(iterations)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def full_report(packed_model, float_path, folder):
    """A report of which nothing is left out."""
    packed_model.correct(fc={0: 1.0, 7: -3.0})
    nodes = packed_model.proto.graph
    plan = {"network": "tiny", "data": "none", "test_error_percent": {"learned": 2.5, "reference": 1.25}, "layers": []}
    packed_model.proto.metadata_props.add(key="qcompile.plan", value=json.dumps(plan))
    nodes.node.append(onnx.helper.make_node("MatMul", ["output", "last.weight"], ["more"], name="last"))
    nodes.output.append(onnx.helper.make_tensor_value_info("more", 1, ["batch", 5]))
    nodes.initializer.append(onnx.numpy_helper.from_array(np.eye(5, dtype=np.float32), "last.weight"))
    path = packed_model.save(folder / "full.onnx")
    return report_file(
        path,
        against=float_path,
        kernels_of=kernels_of,
        inputs={"input": np.random.default_rng(0).random((5, 2, 7, 7), dtype=np.float32)},
        seconds=0.05,
        plans=write_plans(folder / "plans", packed_model.proto.graph.node[0].name),
        run=write_run(folder / "run"),
    )
