"""What `bin/test` runs: parts, in two lanes at once, with a log for each, and the table of what they take."""
