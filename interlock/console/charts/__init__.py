"""Charts as SVG from the server: no chart without its table, no script, and every text escaped."""

from interlock.console.charts.bars import Feature, bars
from interlock.console.charts.calibration import Bin, calibration_plot
from interlock.console.charts.figure import Chart
from interlock.console.charts.intervals import Estimate, intervals
from interlock.console.charts.series import Line, series, sparkline

__all__ = [
    "Bin",
    "Chart",
    "Estimate",
    "Feature",
    "Line",
    "bars",
    "calibration_plot",
    "intervals",
    "series",
    "sparkline",
]
