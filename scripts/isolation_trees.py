"""Grow the trees of lakehouse/validation/prices/isolation_forest.py and write its file."""

from dataclasses import asdict

import numpy as np

from lakehouse.validation.prices.isolation_forest import FILE, grow_trees


def main() -> None:
    """Write the file. Node numbers are stored in two bytes."""
    grown = {name: np.asarray(values) for name, values in asdict(grow_trees()).items()}
    small = {name: values.astype(np.int16) for name, values in grown.items() if values.dtype == np.int64}
    np.savez_compressed(FILE, allow_pickle=False, **grown | small)


if __name__ == "__main__":
    main()
