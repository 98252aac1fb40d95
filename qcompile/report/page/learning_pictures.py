"""How learning went, as pictures."""

from collections.abc import Sequence

from qcompile.drawing import Markup, Points, draw_lines, element, shown_name
from qcompile.report.learning import Figures, LayerPath, LearningPath

ITERATION = "iteration"


def learning_section(path: LearningPath) -> Markup:
    """The section with loss, distance, and for each layer its codebook over time, in parts that open."""
    return element(
        "section",
        {"aria-labelledby": "learning-title"},
        element("h2", {"id": "learning-title"}, "How it was learned"),
        element("p", {"class": "lead"}, f"{len(path.iterations)} iterations of learning and compression."),
        element("div", {"class": "pictures"}, _losses(path), _distances(path)),
        element("details", {}, element("summary", {}, "Codebook entries over time"), _codebooks(path)),
    )


def _losses(path: LearningPath) -> Markup:
    lines = {
        "training loss": _points(path.iterations, path.loss),
        "loss of the decoded weights": _points(path.iterations, path.decoded_loss),
    }
    lines = {name: points for name, points in lines.items() if points}
    last = ", ".join(f"{name} {points[-1][1]:.4g}" for name, points in lines.items())
    return draw_lines("Loss", f"At the end: {last or 'not measured'}.", lines, x_label=ITERATION, logarithmic=True)


def _distances(path: LearningPath) -> Markup:
    points = _points(path.iterations, path.distance)
    described = f"From {points[0][1]:.3g} to {points[-1][1]:.3g}." if points else "Not measured."
    title = "Distance ||w - decode|| / ||w|| of all layers"
    return draw_lines(title, described, {"all layers": points}, x_label=ITERATION, logarithmic=True)


def _codebooks(path: LearningPath) -> Markup:
    drawn = [_codebook(name, layer, path.iterations) for name, layer in path.layers.items()]
    return element("div", {"class": "pictures"}, *drawn)


def _codebook(name: str, layer: LayerPath, iterations: Sequence[int]) -> Markup:
    count = max(map(len, layer.entries), default=0)
    lines: dict[str, Points] = {
        f"entry {entry + 1}": [
            (float(iteration), own[entry]) for iteration, own in zip(iterations, layer.entries, strict=True) if own
        ]
        for entry in range(count)
    }
    ends = layer.entries[-1] if layer.entries else ()
    described = f"{count} entries; at the end from {ends[0]:.4g} to {ends[-1]:.4g}." if ends else "No entries."
    return draw_lines(shown_name(name), described, lines, x_label=ITERATION, alike=True)


def _points(iterations: Sequence[int], figures: Figures) -> Points:
    pairs = zip(iterations, figures, strict=True)
    return [(float(iteration), figure) for iteration, figure in pairs if figure is not None]
