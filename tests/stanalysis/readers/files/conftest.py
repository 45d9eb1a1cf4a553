"""The scripts here need the packages whose files they make: they are no tests."""

collect_ignore_glob = ["make_*.py"]
