"""Tries faults, orders and latencies on a scenario, and says what its tasks survive: ``retrysim explore``."""
