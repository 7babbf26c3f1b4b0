"""What a spool needs to travel from another host: segments to be packed in, clocks to be told by, a file to land in."""
