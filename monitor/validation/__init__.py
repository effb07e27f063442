"""Step 2, validated: records -> columns of predictions and labels, and rejections with reasons."""

from monitor.validation.cards import parse_card, parse_command
from monitor.validation.columns import ColumnLayout, ColumnReader, Columns, column_layout
from monitor.validation.validator import Validator

__all__ = [
    "ColumnLayout",
    "ColumnReader",
    "Columns",
    "Validator",
    "column_layout",
    "parse_card",
    "parse_command",
]
