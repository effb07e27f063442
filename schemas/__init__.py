"""The contracts of Plumbline: what stands on each topic. Pydantic models are the one source.

JSON Schema files for other languages are generated from them into `schemas/json/`
(`python -m schemas.generate`).
"""

from schemas.alert import AlertBody, AlertEntry, AlertEvent, alert_event_id, fingerprint
from schemas.command import Command
from schemas.contract import SCHEMA_VERSION
from schemas.heartbeat import Beat, Heartbeat
from schemas.label import LabelEvent
from schemas.model import FeatureSpec, ModelCard, Monitoring, Owner, RiverDetector
from schemas.prediction import PredictionEvent
from schemas.rejection import Rejection, RejectionDetail
from schemas.timefeatures import TimeFeatures, time_features

__all__ = [
    "SCHEMA_VERSION",
    "AlertBody",
    "AlertEntry",
    "AlertEvent",
    "Beat",
    "Command",
    "FeatureSpec",
    "Heartbeat",
    "LabelEvent",
    "ModelCard",
    "Monitoring",
    "Owner",
    "PredictionEvent",
    "Rejection",
    "RejectionDetail",
    "RiverDetector",
    "TimeFeatures",
    "alert_event_id",
    "fingerprint",
    "time_features",
]
