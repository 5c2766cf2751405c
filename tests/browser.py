"""Pages as a browser lays them out."""

import html
import json
import re
import shutil
import subprocess

import pytest


def browser():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


needs_browser = pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")

FRAME = """<!doctype html><meta charset="utf-8"><body><iframe id="page" width="{width}" height="900" srcdoc="{page}">
</iframe><script>onload = async () => {{
  const page = document.getElementById("page").contentDocument, view = page.defaultView
  const found = await (async () => {{ {probe} }})()
  document.body.textContent = "FOUND" + JSON.stringify(found) + "END"
}}</script>"""


def seen(folder, page, width, probe, *options):
    """Return what a script finds out about a page, and what the browser logs to its console.

    The page is in a frame of this width, since windows have a least one.
    """
    file = folder / f"probe{width}.html"
    file.write_text(FRAME.format(width=width, page=html.escape(page), probe=probe), encoding="utf-8")
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=20000", *options, "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    logged = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(re.search("FOUND({.*})END", done.stdout)[1])), logged
