"""What to know of a packed file before it ships: one data object, as text, JSON and a page."""

from qcompile.report.reporting import KernelsOf, report_file
from qcompile.report.result import SCHEMA_VERSION, LayerReport, Report
from qcompile.report.several import Reports

__all__ = ["SCHEMA_VERSION", "KernelsOf", "LayerReport", "Report", "Reports", "report_file"]
