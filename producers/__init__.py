"""What a serving team puts into its service, and the producers of the examples."""

from producers.guard import Answer, Problem, safe_predict, validate_input
from producers.logger import LoggerCounts, PredictionLogger

__all__ = [
    "Answer",
    "LoggerCounts",
    "PredictionLogger",
    "Problem",
    "safe_predict",
    "validate_input",
]
