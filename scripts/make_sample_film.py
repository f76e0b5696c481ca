"""Create the video that the fake returns if PyAV is not installed. This script needs PyAV."""

from pathlib import Path

from netmind_mock.jobs.job import MediaKind, Output
from netmind_mock.media import Caption, video

ASSETS = Path(video.__file__).parent / "assets"
WORDS = Caption("sample00", "netmind-mock", "A sample film", 1, 1, "5a3c" * 16)


def main() -> None:
    """Write the video and print its size."""
    content = video.encode(Output(MediaKind.VIDEO, "mp4", 640, 360, 2.0), WORDS)
    path = ASSETS / "sample.mp4"
    path.write_bytes(video.with_comment(content, "netmind-mock sample"))
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
