"""A fuzzer: hostile files for every reader of the project, see `python -m fuzz --help`."""
