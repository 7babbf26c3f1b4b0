"""The model: a timeline is tracks of slices; what the collector builds and the exporters write."""
