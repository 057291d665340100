// The page: asks this server for speech and plays it while the rest is still being made.

import { ask, at, offer, tellIn } from "/static/ask.js";
import { openCloning } from "/static/clone.js";
import { Mel } from "/static/mel.js";
import { drawWave, Peaks } from "/static/wave.js";
import { Player, wavFile } from "/static/player.js";

const form = at("form");
const wave = at("wave");
const picture = at("mel");

let asking = null;
let player = null;

function say(message) {
  at("status").textContent = message;
}

const tell = (message) => tellIn(at("error"), message);

// The chosen one is a speaker's name; without it, the server's default.
async function listVoices(chosen) {
  const { voices } = await (await ask("/v1/audio/voices")).json();
  at("voice").replaceChildren(
    ...voices.map((voice) => {
      const details = [voice.accent === "gb" ? "UK" : "US", voice.description].filter(Boolean);
      const option = new Option(`${voice.name} (${details.join(", ")})`);
      option.dataset.model = voice.model;
      option.dataset.voice = voice.id;
      option.selected = chosen ? voice.id === chosen : voice.default;
      return option;
    }),
  );
  await openCloning(listVoices);
}

function order() {
  const chosen = at("voice").selectedOptions[0];
  return {
    model: chosen?.dataset.model ?? "sori",
    voice: chosen?.dataset.voice ?? "default",
    input: at("text").value,
    speed: Number(at("speed").value),
    pitch: Number(at("pitch").value),
    response_format: "pcm",
  };
}

function show(peaks, mel) {
  const seconds = `${peaks.seconds.toFixed(1)} seconds of speech`;
  wave.setAttribute("aria-label", `Waveform of ${seconds}`);
  drawWave(wave, peaks.columns(wave.width));
  picture.setAttribute("aria-label", `Mel spectrogram of ${seconds}`);
  mel.draw(picture);
}

function clearPictures() {
  for (const each of [wave, picture]) each.setAttribute("aria-label", "No speech yet");
  drawWave(wave, []);
  new Mel().draw(picture);
}

async function receive(response, signal) {
  const pieces = [];
  const peaks = new Peaks();
  const mel = new Mel();
  const reader = response.body.getReader();
  // A chunk may end in the midst of a sample.
  let odd = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done || signal.aborted) break;
    const bytes = new Uint8Array(odd.length + value.length);
    bytes.set(odd);
    bytes.set(value, odd.length);
    const whole = bytes.length - (bytes.length % 2);
    odd = bytes.slice(whole);
    const samples = new Int16Array(bytes.buffer.slice(0, whole));
    pieces.push(samples);
    player.push(samples);
    peaks.push(samples);
    mel.push(samples);
    show(peaks, mel);
    say(`Speaking: ${peaks.seconds.toFixed(1)} s so far`);
  }
  return { pieces, peaks };
}

async function speak(event) {
  event?.preventDefault();
  halt();
  tell("");
  if (!at("text").value.trim()) {
    tell("There is no text yet. Type a few words.");
    at("text").focus();
    return;
  }
  asking = new AbortController();
  const { signal } = asking;
  player = new Player(() => {
    at("stop").disabled = true;
    say("Done.");
  });
  clearPictures();
  at("stop").disabled = false;
  at("download").hidden = true;
  say("Waiting for the first sentence");
  try {
    if (!at("voice").options.length) await listVoices();
    const response = await ask("/v1/audio/speech", { method: "POST", body: order(), signal });
    const { pieces, peaks } = await receive(response, signal);
    player.finish();
    offer(at("download"), wavFile(pieces), "speech.wav");
    say(`${peaks.seconds.toFixed(1)} s of speech`);
  } catch (error) {
    if (signal.aborted) return;
    player.stop();
    at("stop").disabled = true;
    say("");
    tell(error.message);
  } finally {
    if (asking?.signal === signal) asking = null;
  }
}

function halt() {
  asking?.abort();
  asking = null;
  player?.stop();
  at("stop").disabled = true;
}

form.addEventListener("submit", speak);
at("stop").addEventListener("click", () => {
  halt();
  say("Stopped.");
});
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) speak(event);
});
for (const name of ["speed", "pitch"]) {
  at(name).addEventListener("input", () => {
    at(`${name}-shown`).textContent = Number(at(name).value).toFixed(2);
  });
}
listVoices().catch((error) => tell(error.message));
