"""Several packed files side by side."""

from dataclasses import dataclass

from qcompile.json_text import to_json
from qcompile.report.result import SCHEMA_VERSION, Report


@dataclass(frozen=True)
class Reports:
    """Two reports or more, in the order in which the files were named."""

    reports: tuple[Report, ...]
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> str:
        """All of them as one JSON object, which qcompile/report/schema.json describes too."""
        return to_json(self)

    def as_text(self) -> str:
        """The table of each file under its path."""
        return "\n".join(f"{report.path}\n{report.as_text()}" for report in self.reports)

    def as_html(self) -> str:
        """A page in one file, which loads nothing: totals, pictures and layers side by side."""
        from qcompile.report.page import comparison_page  # it draws what this module describes

        return comparison_page(self.reports)
