"""Metrics: pure Python and NumPy, each one registered class. Heavy libraries load when a metric is computed."""
