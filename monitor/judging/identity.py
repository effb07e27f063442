"""Who an alert is: its key inside, its labels outside.

In: a finding and a severity. Out: what stays the same for the life of the alert. Never: a number.
"""

from monitor.findings import Finding

AlertKey = tuple[str, str, str, str, str, str]
"""(alertname, model, model version, feature, segment, severity)."""


def identity_of(finding: Finding) -> tuple[str, str, str, str, str]:
    """The alert that a finding feeds, whatever its severity: all of its key but the last."""
    return (
        finding.alertname,
        finding.model,
        finding.model_version,
        finding.measurement.feature,
        finding.segment,
    )


def key_of(finding: Finding, severity: str) -> AlertKey:
    """Under what the judge keeps the alert that a finding feeds."""
    return *identity_of(finding), severity


def labels_of(finding: Finding, severity: str) -> dict[str, str]:
    """The labels of that alert: its identity for everybody else."""
    labels = {
        "alertname": finding.alertname,
        "severity": severity,
        "category": finding.category,
        "model": finding.model,
        "model_version": finding.model_version,
        "feature": finding.measurement.feature,
        "segment": finding.segment,
    }
    return {name: value for name, value in labels.items() if value}


def name_of(key: AlertKey) -> str:
    """What a person calls an alert.

    >>> name_of(("FeatureDrift", "m", "1", "temp", "", "warning"))
    'FeatureDrift temp'
    """
    return " ".join(part for part in (key[0], key[3], key[4]) if part)
