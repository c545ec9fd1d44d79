"""A real OpenID provider (the npm package `oidc-provider`), and a browser that logs in at it."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from interlock.streams.embedded_kafka.settings import free_port

SOURCES = Path(__file__).parent / "provider"
SECRETS = {"interlock": "not: a secret/of anybody", "other": "of-another-application"}

# Some forty small packages.
_INSTALL_SECONDS = 240

# Of a login, with its two forms.
_MOST_STEPS = 12


def installed() -> Path:
    """A folder with the provider and what it needs, installed once for each lock file; skips the test without npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs node and npm on PATH, for a real OpenID provider")
    lock = (SOURCES / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interlock-tests"
    folder = cache / f"oidc-provider-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        fresh = cache / f"new-{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, fresh)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            pytest.skip(f"npm ci cannot install the OpenID provider: {done.stderr.strip()[-300:]}")
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(fresh, ignore_errors=True)
    shutil.copy(SOURCES / "provider.mjs", folder)
    return folder


@contextmanager
def provider(redirect_uri: str, where: str) -> Iterator[str]:
    """The address of a provider that runs. `where`: of claims, id_token or userinfo."""
    port = free_port()
    with subprocess.Popen(
        ["node", "provider.mjs", str(port), redirect_uri, where],
        cwd=installed(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == "listening"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def follow(browser: httpx.Client, url: str, person: str, until: str) -> str:
    """Goes where the browser is sent, fills in forms as `person`, and returns the first address that begins with
    `until`, which it does not visit."""
    response = browser.get(url)
    for _ in range(_MOST_STEPS):
        if response.next_request is None:
            action, prompt = _form(response)
            form = {"prompt": prompt, "login": person, "password": "any"}
            response = browser.post(urljoin(str(response.url), action), data=form)
        elif str(response.next_request.url).startswith(until):
            return str(response.next_request.url)
        else:
            response = browser.send(response.next_request)
    raise AssertionError(f"no end at {response.url}")


def _form(response: httpx.Response) -> tuple[str, str]:
    assert response.status_code == 200, response.text
    action = re.search(r'<form[^>]* action="([^"]+)"', response.text)
    prompt = re.search(r'name="prompt" value="(\w+)"', response.text)
    assert action is not None, response.text
    assert prompt is not None, response.text
    return action[1], prompt[1]
