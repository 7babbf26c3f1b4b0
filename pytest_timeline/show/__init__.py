"""A test's timeline as text: found by its name, merged into a tree for people, or line by line for tools."""
