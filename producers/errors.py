"""The errors that the producers raise.

    ProducerError               everything below
    ├── DemoDataMissingError    the flight data of the demo is not installed
    ├── InputFileError          a file to replay is not what its mapping says: file, row, column
    ├── FaultError              a fault has nothing to break in these events, or is unknown
    └── DeliveryError           the broker could not be reached while replaying

`PredictionLogger` raises none of them: it counts.
"""


class ProducerError(Exception):
    """Base of every error of `producers`."""


class DemoDataMissingError(ProducerError):
    """The data package of the demo is not installed, or lacks a file."""


class InputFileError(ProducerError):
    """A file to replay cannot be read as its mapping says; the message names row and column."""


class DeliveryError(ProducerError):
    """The broker could not be reached, or a topic does not exist."""


class FaultError(ProducerError):
    """A fault of a drill is unknown, or the traffic has nothing that it could break."""
