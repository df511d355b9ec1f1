"""Temperance makes a classifier's probabilities mean what they say."""

__version__ = "0.1.0"
