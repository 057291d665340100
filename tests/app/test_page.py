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
from tiny_base import TEXTS, read_aloud, write_base
from tiny_voice import write_voice

from sori.app.clone_jobs import Cloning
from sori.app.voice_bank import VoiceBank
from sori.audio.files import write
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
    # A microphone that beeps, and nobody who is asked whether it may be used.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
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

    def wait(self, condition, seconds=30):
        """Until a condition, in the language of the page, is true."""
        deadline = time.monotonic() + seconds
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
        time.sleep(0.2)
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


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def studio(browser, bank, base, tmp_path):
    """The page of a server that clones."""
    with served(bank, cloning=Cloning(base, tmp_path / "clones", 20)) as running:
        browser.open(f"{running.url}/")
        browser.wait("!document.querySelector('#cloning').hidden")
        yield browser


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Files with speech, and one with text for each."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, (text, audio) in enumerate(zip(TEXTS, read_aloud(), strict=True)):
        write(folder / f"{number}.flac", audio)
        (folder / f"{number}.txt").write_text(text)
    return sorted(folder.iterdir())


def add(page, files):
    page.ask("POST", f"{page.element('#files')}/value", text="\n".join(str(file) for file in files))


def test_cloning_is_not_shown_where_it_cannot_be_done(page):
    assert page.run("return document.querySelector('#cloning').hidden")


def test_recordings_become_a_voice_that_is_offered_and_speaks(studio, recordings):
    add(studio, recordings)
    studio.wait("document.querySelector('#clips-shown').textContent.startsWith('5 recordings')")
    said = studio.run(
        "return [...document.querySelectorAll('#clips li')]"
        ".filter(row => row.querySelector('audio[src]'))"
        ".map(row => row.querySelector('textarea').value)"
    )
    studio.write("#clone-name", "maria")
    studio.click("#consent")
    studio.click("#clone-start")
    studio.wait("!document.querySelector('#clone-progress').hidden")
    studio.wait("document.querySelector('#clone-status').textContent.includes('is made')", 300)
    offered = studio.run("return document.querySelector('#clone-voice').download")
    chosen = studio.run("return document.querySelector('#voice').selectedOptions[0].text")
    studio.write("#text", "Hello.")
    studio.click("#speak")
    studio.wait("!document.querySelector('#download').hidden")

    assert said == list(TEXTS)
    assert offered == "maria.onnx"
    assert chosen.startswith("maria (US")


def test_a_sentence_is_recorded_heard_and_removed(studio):
    row = "#clips li:nth-child(2)"
    studio.click(f"{row} button")
    studio.wait(f"document.querySelector('{row} button').textContent == 'Stop'")
    time.sleep(0.5)
    studio.click(f"{row} button")
    studio.wait(f"document.querySelector('{row} audio').duration > 0.2")
    heard = studio.text("#clips-shown")
    studio.click(f"{row} audio + button")

    assert heard.startswith("1 recordings")
    assert studio.text("#clips-shown").startswith("0 recordings")
    assert not studio.run("return !document.querySelector('#clone-error').hidden")


def test_a_refusal_of_the_server_is_shown_beside_the_button(studio, recordings):
    add(studio, recordings[:4])  # two recordings
    studio.wait("document.querySelector('#clips-shown').textContent.startsWith('2 recordings')")
    studio.write("#clone-name", "maria")
    studio.click("#consent")
    studio.click("#clone-start")
    studio.wait("!document.querySelector('#clone-error').hidden")

    assert "at least 3 items" in studio.text("#clone-error")
    assert not studio.run("return document.querySelector('#clone-start').disabled")


def test_work_can_be_cancelled_on_the_page(studio, recordings):
    add(studio, recordings)
    studio.wait("document.querySelector('#clips-shown').textContent.startsWith('5 recordings')")
    studio.write("#clone-name", "berta")
    studio.click("#consent")
    studio.click("#clone-start")
    studio.wait("!document.querySelector('#clone-cancel').disabled")
    studio.click("#clone-cancel")
    studio.wait("document.querySelector('#clone-status').textContent.startsWith('Cancelled')")

    assert studio.run("return document.querySelector('#clone-progress').hidden")


def test_what_is_no_sound_is_named(studio, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear Maria")
    add(studio, [tmp_path / "letter.wav"])
    studio.wait("!document.querySelector('#clone-error').hidden")

    assert studio.text("#clone-error") == "letter.wav cannot be read as sound."


def test_every_part_of_cloning_has_a_name_and_no_sentence_is_wider_than_a_phone(studio):
    unnamed = studio.run(
        "return [...document.querySelectorAll('#cloning :is(input, textarea, audio, progress)')]"
        ".filter(field => !field.labels?.length && !field.ariaLabel).length"
    )
    studio.ask(
        "POST",
        "/goog/cdp/execute",
        cmd="Emulation.setDeviceMetricsOverride",
        params={"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )

    assert unnamed == 0
    assert studio.run("return document.documentElement.scrollWidth <= window.innerWidth")
