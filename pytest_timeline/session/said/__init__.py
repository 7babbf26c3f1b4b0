"""What a test says beside its outcome: log records, warnings, output, subtests, examples. One source in each file."""
