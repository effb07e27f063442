"""Target encoding: no row knows its own label, and the audit tells the wrong way from the right."""

import numpy as np
import pandas as pd
import pytest

from monitor.profiling.audit import audit_dataset
from monitor.profiling.dataset import frame_dataset
from producers.encoding import TargetEncoder
from schemas import FeatureSpec, ModelCard

CARD = ModelCard(
    model="m",
    model_version="1",
    task="binary",
    features={"shop_rate": FeatureSpec(type="number"), "shop": FeatureSpec(type="category")},
)
N = 4_000


def _rows() -> tuple[list[str], np.ndarray]:
    """400 shops that know nothing of the label."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 400, N).astype(str).tolist(), (rng.random(N) < 0.3).astype(float)


def _naive(shops: list[str], labels: np.ndarray) -> np.ndarray:
    means = pd.Series(labels).groupby(shops).mean()
    return means.loc[shops].to_numpy()


def _remarks(encoded: np.ndarray, shops: list[str], labels: np.ndarray) -> list[str]:
    frame = pd.DataFrame({"shop_rate": encoded, "shop": shops, "label": labels.astype(bool)})
    audit = audit_dataset(frame_dataset(frame, CARD), CARD, [], seed=1)
    return [r.text for r in audit.remarks if r.column == "shop_rate" and "very rows" in r.text]


@pytest.mark.parametrize("order", ["folds", "time"])
def test_an_encoding_of_noise_knows_nothing_of_the_label(order: str) -> None:
    shops, labels = _rows()
    naive = np.corrcoef(_naive(shops, labels), labels)[0, 1]
    encoder = TargetEncoder(order=order)  # type: ignore[arg-type]  # one of its two words
    right = np.corrcoef(encoder.fit_transform(shops, labels), labels)[0, 1]
    assert naive > 0.25
    assert abs(right) < 4 / np.sqrt(N)  # four standard errors of no correlation


def test_a_row_is_not_moved_by_its_own_label() -> None:
    shops, labels = _rows()
    turned = labels.copy()
    turned[7] = 1.0 - turned[7]
    for order in ("folds", "time"):
        first, second = (
            TargetEncoder(order=order).fit_transform(shops, y) for y in (labels, turned)
        )
        assert first[7] == second[7]
        if order == "time":
            assert (first[:8] == second[:8]).all()


def test_serving_takes_up_the_mapping() -> None:
    shops, labels = _rows()
    encoder = TargetEncoder()
    encoder.fit_transform(shops, labels)
    served = TargetEncoder.from_mapping(encoder.mapping, encoder.prior)
    assert (served.transform([*shops[:9], "new"]) == encoder.transform([*shops[:9], "new"])).all()
    assert served.transform(["new"])[0] == labels.mean()


def test_what_cannot_be_encoded_is_said() -> None:
    with pytest.raises(ValueError, match="2 categories and 1 labels"):
        TargetEncoder().fit_transform(["a", "b"], [1.0])
    with pytest.raises(ValueError, match="the label of row 1 is nan"):
        TargetEncoder().fit_transform(["a", "b"], [1.0, np.nan])
    with pytest.raises(ValueError, match="folds is 1"):
        TargetEncoder(folds=1)


def test_the_audit_catches_the_naive_encoding_alone() -> None:
    shops, labels = _rows()
    [text] = _remarks(_naive(shops, labels), shops, labels)
    assert "mean label of shop" in text
    assert _remarks(TargetEncoder().fit_transform(shops, labels), shops, labels) == []
    # fitted on other rows of the same shops: good, and no leak
    rng = np.random.default_rng(2)
    rates = rng.beta(2, 5, 400)
    place = rng.integers(0, 400, 2 * N)
    truth = (rng.random(2 * N) < rates[place]).astype(float)
    names = place.astype(str).tolist()
    encoder = TargetEncoder()
    encoder.fit_transform(names[:N], truth[:N])
    assert _remarks(encoder.transform(names[N:]), names[N:], truth[N:]) == []
