"""The page at `/` in a real browser, driven over the WebDriver protocol."""

import contextlib
import json
import math
import re
import shutil
import socket
import subprocess
import time

import httpx
import pytest
from serving import served
from tiny_voice import write_voice

from sori.app.voice_bank import VoiceBank
from sori.speak.voice import Voice

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element, by the standard

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium with its driver is on this machine"
)


class Browser:
    """One session of a browser."""

    def __init__(self, client, session):
        self.client = client
        self.at = f"/session/{session}"

    def ask(self, method, path, **body):
        content = json.dumps(body) if method == "POST" else None
        answer = self.client.request(method, f"{self.at}{path}", content=content)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, url):
        self.ask("POST", "/url", url=url)

    def run(self, script):
        return self.ask("POST", "/execute/sync", script=script, args=[])

    def element(self, selector):
        found = self.ask("POST", "/element", using="css selector", value=selector)
        return f"/element/{found[ELEMENT]}"

    def click(self, selector):
        self.ask("POST", f"{self.element(selector)}/click")

    def write(self, selector, text):
        self.ask("POST", f"{self.element(selector)}/clear")
        self.ask("POST", f"{self.element(selector)}/value", text=text)

    def text(self, selector):
        return self.run(f"return document.querySelector('{selector}').textContent")

    def wait(self, condition):
        """Until a condition, in the language of the page, is true."""
        deadline = time.monotonic() + 30
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, self.run("return document.body.innerText")
            time.sleep(0.02)


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@contextlib.contextmanager
def driver(client, process):
    """Wait for the driver; end it whatever happens."""
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.TransportError):
                client.get("/status")
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp("browser")
    process = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    chosen = {"binary": CHROMIUM, "args": [*OPTIONS, f"--user-data-dir={folder}"]}
    wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": chosen}}}
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
        driver(client, process),
    ):
        session = client.post("/session", json=wanted).json()["value"]["sessionId"]
        browser = Browser(client, session)
        yield browser
        browser.ask("DELETE", "")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    return VoiceBank(str(write_voice(folder / "tiny.onnx")))


@pytest.fixture
def page(browser, bank):
    """The page, when its voices are listed."""
    with served(bank) as running:
        browser.open(f"{running.url}/")
        browser.wait("document.querySelector('#voice').options.length")
        yield browser


def test_a_text_is_spoken_drawn_and_offered(page):
    page.write("#text", "Hello from the page. It speaks.")
    page.click("#speak")
    page.wait("!document.querySelector('#download').hidden")

    offered = page.run("return document.querySelector('#download').href")
    assert offered.startswith("blob:http")
    assert "seconds of speech" in page.run(
        "return document.querySelector('#wave').getAttribute('aria-label')"
    )
    assert page.run(
        "const wave = document.querySelector('#wave');"
        "return wave.getContext('2d').getImageData(0, 0, wave.width, wave.height)"
        ".data.some(value => value)"
    )
    assert not page.run("return !document.querySelector('#error').hidden")


def test_the_mel_picture_shows_the_pitch_of_a_tone(page):
    """The bin of a pure tone is the strongest of its column."""
    strongest = page.ask(
        "POST",
        "/execute/async",
        script="""
        const done = arguments[arguments.length - 1];
        import("/static/mel.js").then(({ column, BINS }) => {
          const tone = Int16Array.from({ length: 1024 }, (_, at) =>
            12000 * Math.sin(2 * Math.PI * 1000 * at / 24000));
          const bins = column(tone);
          done([bins.indexOf(Math.max(...bins)), BINS]);
        });
        """,
        args=[],
    )
    place, bins = strongest

    def mel(hertz):
        return 2595 * math.log10(1 + hertz / 700)

    assert abs(place + 1 - mel(1000) / mel(8000) * (bins + 1)) <= 1


def test_the_mel_picture_is_drawn_and_named(page):
    page.write("#text", "Hello from the page.")
    page.click("#speak")
    page.wait("!document.querySelector('#download').hidden")

    label = page.run("return document.querySelector('#mel').getAttribute('aria-label')")
    assert re.fullmatch(r"Mel spectrogram of \d+\.\d seconds of speech", label)
    assert page.run(
        "const mel = document.querySelector('#mel');"
        "return mel.getContext('2d').getImageData(0, 0, mel.width, mel.height)"
        ".data.some(value => value)"
    )


def test_the_end_of_the_sound_is_told(page):
    page.write("#text", "Hi.")
    page.click("#speak")

    page.wait("document.querySelector('#status').textContent == 'Done.'")


def test_a_fault_is_shown_as_an_alert(page):
    page.write("#text", "漢字")
    page.click("#speak")
    page.wait("!document.querySelector('#error').hidden")

    assert "nothing" in page.text("#error")
    assert page.run("return document.querySelector('#error').getAttribute('role')") == "alert"
    assert page.run("return document.querySelector('#stop').disabled")


def test_stopping_ends_the_work(page, monkeypatch):
    plain = Voice.utter
    calls = []

    def utter(*arguments):
        calls.append(1)
        time.sleep(0.05)
        return plain(*arguments)

    monkeypatch.setattr(Voice, "utter", utter)
    page.run("document.querySelector('#text').value = 'One sentence of many. '.repeat(150)")
    page.click("#speak")
    page.wait("document.querySelector('#status').textContent.startsWith('Speaking')")
    page.click("#stop")
    page.wait("document.querySelector('#status').textContent == 'Stopped.'")

    assert 0 < len(calls) < 150


def test_everything_is_reached_with_the_keyboard_and_has_a_name(page):
    unnamed = page.run(
        "return [...document.querySelectorAll('input, select, textarea')]"
        ".filter(field => !field.labels.length).map(field => field.id)"
    )
    page.run("document.querySelector('#text').focus()")
    page.write("#text", "Hello.")
    page.ask("POST", f"{page.element('#text')}/value", text="\ue009\ue007")  # Control, Enter
    page.wait("!document.querySelector('#download').hidden")

    assert not unnamed
    assert page.run("return document.documentElement.lang") == "en"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_makes_the_page_scroll_sideways(page, width):
    page.ask(
        "POST",
        "/goog/cdp/execute",
        cmd="Emulation.setDeviceMetricsOverride",
        params={"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )

    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")


def test_a_key_is_asked_for_where_one_is_needed(browser, bank):
    with served(bank, keys=("right",)) as running:
        browser.open(f"{running.url}/")
        browser.wait("!document.querySelector('#key-row').hidden")
        browser.write("#key", "right")
        browser.click("#speak")
        browser.wait("!document.querySelector('#download').hidden")


def test_the_description_lists_the_routes(browser, bank):
    with served(bank) as running:
        browser.open(f"{running.url}/docs")
        browser.wait("document.querySelector('#routes section')")

    assert "/v1/audio/speech" in browser.text("#routes")


def test_the_page_takes_nothing_from_other_places(page):
    names = page.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    here = page.run("return location.origin")

    assert names
    assert all(name.startswith(here) for name in names)
