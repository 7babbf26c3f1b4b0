"""A timeline of every test: what it did and when, in all its threads, processes and tasks.

PYTEST_DONT_REWRITE: a traced child imports the package before its pytest could rewrite it.
"""
