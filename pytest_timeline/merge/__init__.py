"""The outputs of sharded jobs as one report: all tests' files, one manifest, one run page."""
