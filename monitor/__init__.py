"""Plumbline: a streaming drift and prediction monitor."""
