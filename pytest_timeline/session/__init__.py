"""Inside pytest: the story of the run, from its first test to the summary."""
