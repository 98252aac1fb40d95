"""What rounding by outputs did, in a few lines."""

from collections.abc import Sequence

from qcompile.rounding.methods import RoundedLayer
from qcompile.text import printable


def summarize(rounded: Sequence[RoundedLayer]) -> list[str]:
    """A line on the errors of all layers and the worst of them, and one for each layer that was rounded plainly."""
    errors = [(layer.error, layer) for layer in rounded if layer.error is not None]
    plainly = [f"{printable(each.name)}: rounded plainly: {each.reason}" for each in rounded if each.error is None]
    if not errors:
        return plainly
    mean, plain = (100 * sum(found) / len(errors) for found in ([e for e, _ in errors], _plain_errors(rounded)))
    worst, layer = max(errors, key=lambda found: found[0])
    return [
        f"rounding the weights changes outputs by {mean:.2g} % of their variance in the mean of {len(errors)} layers, "
        f"rounding plainly by {plain:.2g} %; most in {printable(layer.name)}, {100 * worst:.2g} %",
        *plainly,
    ]


def _plain_errors(rounded: Sequence[RoundedLayer]) -> list[float]:
    return [layer.plain_error for layer in rounded if layer.plain_error is not None]
