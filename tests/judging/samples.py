"""What a test measured: one drift, to be changed with `replace`."""

from monitor.findings import Measurement, Verdict

MEASURED = Measurement(
    check="ks",
    feature="temp",
    scale=1_000,
    verdict=Verdict.DRIFT,
    statistic=0.3,
    effect=0.3,
    threshold=0.2,
    p_value=0.001,
    n_ref=10_000,
    n_cur=1_000,
    n_effective=100.0,
    smallest_visible=0.2,
    cleared=False,
)
