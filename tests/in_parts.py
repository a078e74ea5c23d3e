"""Runs the tests in parts, one after the other, each in processes of its own.

    python tests/in_parts.py 3 -n 2 tests/layers

Backends keep some memory of what they compiled until the process ends: on TensorFlow, a process
that ran all tests would take 2.9 GB. The number of parts comes first; what follows goes to pytest.
"""

import subprocess
import sys

# A test that hangs, for seconds, ends its process, shows where each thread is, and fails.
HANGING = ["-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true"]
NO_TESTS = 5  # pytest's exit status for a part without any


def main(count: int, arguments: list[str]) -> int:
    """Run the parts, also those after one that fails; returns the exit status."""
    command = [sys.executable, "-m", "pytest", *HANGING, *arguments]
    codes = [
        subprocess.run([*command, f"--part={number}/{count}"], check=False).returncode
        for number in range(1, count + 1)
    ]
    failures = [code for code in codes if code not in (0, NO_TESTS)]
    return next(iter(failures), 0 if 0 in codes else NO_TESTS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
