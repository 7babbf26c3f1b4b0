"""Spools to outputs: follow the spools, cut them by test, hand timelines to the exporters, write the manifest."""
