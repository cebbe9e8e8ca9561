"""The command line: options, text and exit codes. Every rule it applies lives below."""
