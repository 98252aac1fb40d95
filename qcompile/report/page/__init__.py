"""A report as a page in one file: no network, light and dark, sortable by keyboard, names escaped."""

from qcompile.report.page.comparison import comparison_page
from qcompile.report.page.single import report_page

__all__ = ["comparison_page", "report_page"]
