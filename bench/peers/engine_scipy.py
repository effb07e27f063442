"""scipy's `ks_2samp`, asymptotic, for every feature of every window."""

from scipy.stats import ks_2samp

from bench.peers.asked import Distances, Rows, Work, serve, windows_of


def prepare(reference: Rows) -> Work:
    """Columns one by one, as the other peers do it within."""

    def work(rows: Rows) -> Distances:
        return [
            [
                float(ks_2samp(known, values, method="asymp").statistic)
                for known, values in zip(reference.T, window.T, strict=True)
            ]
            for window in windows_of(rows)
        ]

    return work


if __name__ == "__main__":
    serve(prepare, "scipy", "numpy")
