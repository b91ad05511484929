"""The interface as it describes itself, asked by schemathesis: no request makes the server fail, and what is refused is a
problem body that names what is wrong.

The seed is printed; SCHEMATHESIS_SEED repeats a run.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = 5
SECONDS = 300


def test_what_the_interface_says_of_itself_holds(server):
    seed = int(os.environ.get("SCHEMATHESIS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SCHEMATHESIS_SEED={seed}")
    command = [
        Path(sys.executable).parent / "schemathesis", "run", f"{server.base}/api/openapi.json",
        "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(seed),
        "--checks", "not_a_server_error,refusals_are_problems", "--header", "X-Claimed-User:schemathesis",
        "--generation-database", "none", "--no-color", "--warnings", "off", "--request-timeout", "10",
        "--continue-on-failure", "--max-failures", "20", "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "api_checks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=server.folder, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-12000:]}\n{done.stderr[-2000:]}"
