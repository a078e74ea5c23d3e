"""`make_files.py` needs tf-keras, which the environments of the tests do not have."""

collect_ignore = ["make_files.py"]
