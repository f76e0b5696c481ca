"""Start the fake, create the example of the vendor documentation, wait for it, save its picture."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netmind_client import Generation, GenerationClient

OUTPUT = Path("demo-output")
CONFIG = {
    "prompt": "Generate a cup of coffee",
    "image_size": "landscape_4_3",
    "num_inference_steps": 30,
    "guidance_scale": 2.5,
    "num_images": 1,
    "enable_safety_checker": True,
    "output_format": "png",
    "acceleration": "none",
}


def main() -> None:
    """Run the demo. The picture is saved in ``demo-output``."""
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder, "base-url")
        command = [
            sys.executable,
            "-m",
            "netmind_mock",
            "serve",
            "--port",
            "0",
            "--ready-file",
            str(ready_file),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                generate(wait_for(ready_file, server))
            finally:
                server.terminate()


def wait_for(ready_file: Path, server: "subprocess.Popen[bytes]") -> str:
    """Return the fake's base URL, once it responds."""
    while not ready_file.exists():
        if server.poll() is not None:
            sys.exit(f"the fake did not start: it exited with code {server.returncode}")
        time.sleep(0.02)
    return ready_file.read_text().strip()


def generate(base_url: str) -> None:
    """Create one generation, wait for it, download its result, and print each step."""
    print(f"The fake server runs at {base_url}")
    began = time.monotonic()

    def show(generation: Generation) -> None:
        print(f"  {time.monotonic() - began:4.1f} s  {generation.id}  {generation.status}")

    with GenerationClient(api_key="demo-token", base_url=base_url) as client:
        generated = client.generate("Qwen/Qwen-Image", CONFIG, OUTPUT, on_poll=show)
    for path in generated.paths:
        print(f"Saved {path.resolve()} ({path.stat().st_size} bytes): open it in any viewer")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
