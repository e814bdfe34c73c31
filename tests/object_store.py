"""A real S3 server on this machine, for tests of what lies in an object store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from programs import is_listening, running

from clinical_ner.serving.local import free_port

KEY, SECRET = "testkey", "testsecret"


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """The address of a server whose buckets are the folders of `folder`."""
    port = free_port()
    rclone = str(Path(sys.executable).with_name("rclone"))
    # With a cache of 0 s rclone may list an empty bucket for ever.
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--dir-cache-time", "1ms"]
    with running([rclone, "serve", "s3", str(folder), *options], is_listening(port), log):
        yield f"http://127.0.0.1:{port}"
