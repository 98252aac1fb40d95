"""The rule of a recipe that says which codebook a layer gets."""

from dataclasses import dataclass, fields
from typing import Literal

from qcompile.errors import RecipeError
from qcompile.frontend import codebooks
from qcompile.frontend.codebooks import Codebook, JointCodebook, Per
from qcompile.frontend.corrections import Corrected

_TAKEN_BY = {
    "entries": ("adaptive", "integer-adaptive"),
    "values": ("fixed", "scaled", "scaled-shifted", "integer-scaled"),
    "smallest_exponent": ("powers-of-two",),
    "bits": ("uniform",),
    "weight_bytes": ("learned-widths",),
    "widths": ("learned-widths",),
}
_WITHOUT_PER = ("fixed", "binary", "ternary", "powers-of-two", "float")
_INTEGER = ("integer-adaptive", "integer-scaled", "uniform")


@dataclass(frozen=True)
class LayerRule:
    """The codebook of the layers that a pattern matches, and what it needs to be told.

    "adaptive" and "integer-adaptive" take ``entries``; "fixed", "scaled", "scaled-shifted" and "integer-scaled" take
    ``values``; "powers-of-two" takes ``smallest_exponent``; "uniform" takes ``bits``; "learned-widths" takes
    ``weight_bytes``, what its layers may take together, and ``widths`` to choose from; the others know their own.
    ``per`` is what has values of its own: "tensor", "channel" or a number of neighbouring channels; of the integer
    codebooks what has a scale of its own. With ``shared`` one codebook serves all layers that the pattern matches.
    ``corrections`` is the share of the weights, 0 to 1, that are corrected one by one (``Corrected``).
    """

    codebook: Literal[
        "adaptive",
        "fixed",
        "binary",
        "ternary",
        "powers-of-two",
        "scaled-binary",
        "scaled-ternary",
        "scaled",
        "scaled-shifted",
        "integer-adaptive",
        "integer-scaled",
        "uniform",
        "learned-widths",
        "float",
    ]
    entries: int = 0
    per: Per = "tensor"
    values: tuple[float, ...] = ()
    smallest_exponent: int = -1
    bits: int = 0
    weight_bytes: int = 0
    widths: tuple[int, ...] = ()
    shared: bool = False
    corrections: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in _TAKEN_BY and getattr(self, field.name) != field.default:
                self._check_taken(field.name, _TAKEN_BY[field.name])
        if self.codebook in _WITHOUT_PER and (self.per != "tensor" or self.shared):
            raise RecipeError(f'"{self.codebook}" learns no values: it takes neither "per" nor "shared"')
        self.make()

    def make(self) -> Codebook | Literal["float"]:
        """The C step. Raises RecipeError for a value out of range."""
        if self.codebook == "float":
            if self.corrections:
                raise RecipeError(f"corrections is {self.corrections}; a float layer has nothing to correct")
            return "float"
        codebook = self._make_integer() if self.codebook in _INTEGER else self._make_float()
        return self._correct(codebooks.Shared(codebook) if self.shared else codebook)

    def _correct(self, codebook: Codebook) -> Codebook:
        if self.corrections == 0:
            return codebook
        if isinstance(codebook, JointCodebook):
            raise RecipeError(f"corrections is {self.corrections}; only a codebook of one layer can be corrected")
        return Corrected(codebook, self.corrections)

    def _make_float(self) -> Codebook:
        match self.codebook:
            case "adaptive":
                return codebooks.Adaptive(self.entries, self.per)
            case "fixed":
                return codebooks.Fixed(self.values)
            case "binary":
                return codebooks.Binary()
            case "ternary":
                return codebooks.Ternary()
            case "powers-of-two":
                return codebooks.PowersOfTwo(self.smallest_exponent)
            case "scaled-binary":
                return codebooks.ScaledBinary(self.per)
            case "scaled-ternary":
                return codebooks.ScaledTernary(self.per)
            case "learned-widths":
                return codebooks.LearnedWidths(self.weight_bytes, self.widths, self.per)
            case "scaled":
                return codebooks.Scaled(self.values, self.per)
            case _:
                return codebooks.ScaledShifted(self.values, self.per)

    def _make_integer(self) -> Codebook:
        if isinstance(self.per, int):
            raise RecipeError(f'"{self.codebook}" has a scale per {self.per}, wanted per "tensor" or "channel"')
        match self.codebook:
            case "integer-adaptive":
                return codebooks.IntegerAdaptive(self.entries, self.per)
            case "integer-scaled":
                return codebooks.IntegerScaled(self.values, self.per)
            case _:
                return codebooks.UniformGrid(self.bits, self.per)

    def _check_taken(self, option: str, kinds: tuple[str, ...]) -> None:
        if self.codebook not in kinds:
            takers = " or ".join(f'"{kind}"' for kind in kinds)
            found = getattr(self, option)
            raise RecipeError(f'{option} is {found}; only {takers} takes it, not "{self.codebook}"')
