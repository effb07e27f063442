"""Not a peer: takes the data set `synthetic_car_loan` out of NannyML's package as two files."""

import sys
from pathlib import Path

import nannyml


def main() -> None:
    """Write reference.parquet and events.parquet into the folder that is named."""
    folder = Path(sys.argv[1])
    reference, analysis, _ = nannyml.load_synthetic_car_loan_dataset()
    reference.to_parquet(folder / "reference.parquet", index=False)
    analysis.to_parquet(folder / "events.parquet", index=False)


if __name__ == "__main__":
    main()
