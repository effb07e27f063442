"""Routing: alerts to people, by the real Alertmanager."""
