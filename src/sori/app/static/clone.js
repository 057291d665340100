// Cloning: gathers recordings of a person, sends them, and follows the voice until it can speak.

import { ask, at, offer, tellIn } from "/static/ask.js";
import { asBase64, canRecord, clipOf, record } from "/static/recorder.js";

const MOST_CLIPS = 20;
const MOST_SECONDS = 20;
const POLL_MILLISECONDS = 1000;
const SENTENCES = [
  "The quick brown fox jumps over the lazy dog while nobody watches it.",
  "She sells sea shells by the shore, and her brother buys them all.",
  "Every morning the baker opens the shop before the sun comes up.",
  "How many roads must you walk before you finally turn around?",
  "Nobody knew why the old clock in the hall had stopped at noon.",
  "A joyful noise rose from the garden as the young choir began to sing.",
  "Please measure the thickness of each wooden board before you cut it.",
  "I thought about the journey, took a deep breath, and opened the door.",
];
const STAGES = {
  start: "starting",
  listen: "listening to the recordings",
  place: "finding who sounds alike",
  tune: "learning the voice",
  mask: "finding what the voice needs",
  mend: "practising",
  vocoder: "learning the sound",
  export: "writing the file",
};

let clips = [];
let following = null;
let told = async () => {};

const tell = (message) => tellIn(at("clone-error"), message);

// Shows the part of the page that clones, where this server can; `voiceMade` is told of new names.
export async function openCloning(voiceMade) {
  if (!at("cloning").hidden) return;
  let jobs;
  try {
    jobs = (await (await ask("/v1/clones")).json()).data;
  } catch (error) {
    if (error.status === 404) return;
    throw error;
  }
  told = voiceMade;
  clips = SENTENCES.map((text) => newClip(text));
  at("cloning").hidden = false;
  const running = jobs.find((job) => job.state === "running");
  if (running) follow(running);
}

function newClip(text, sound = null) {
  const clip = { text, sound, recording: null };
  clip.row = document.createElement("li");
  clip.row.append(...rowOf(clip));
  at("clips").append(clip.row);
  showClip(clip);
  return clip;
}

function rowOf(clip) {
  const number = at("clips").children.length + 1;
  clip.said = document.createElement("textarea");
  clip.said.rows = 2; // a phone shows a whole sentence
  clip.said.value = clip.text;
  clip.said.maxLength = 500;
  clip.said.placeholder = "What is said here?";
  clip.said.setAttribute("aria-label", `Words of recording ${number}`);
  clip.player = document.createElement("audio");
  clip.player.controls = true;
  clip.player.setAttribute("aria-label", `Recording ${number}`);
  clip.button = button(`Record sentence ${number}`, () => toggle(clip));
  clip.button.hidden = !canRecord();
  clip.remove = button(`Remove recording ${number}`, () => setSound(clip, null));
  clip.remove.textContent = "Remove";
  const controls = document.createElement("div");
  controls.className = "controls";
  controls.append(clip.button, clip.player, clip.remove);
  return [clip.said, controls];
}

function button(name, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.setAttribute("aria-label", name);
  made.addEventListener("click", act);
  return made;
}

function showClip(clip) {
  clip.button.textContent = clip.recording ? "Stop" : clip.sound ? "Again" : "Record";
  clip.button.setAttribute("aria-pressed", Boolean(clip.recording));
  clip.player.hidden = clip.remove.hidden = !clip.sound;
  const heard = clips.filter((each) => each.sound);
  const seconds = heard.reduce((total, each) => total + each.sound.seconds, 0);
  at("clips-shown").textContent = `${heard.length} recordings, ${seconds.toFixed(0)} seconds`;
}

function setSound(clip, sound) {
  if (clip.player.src) URL.revokeObjectURL(clip.player.src);
  clip.sound = sound;
  if (sound) clip.player.src = URL.createObjectURL(sound.wav);
  else clip.player.removeAttribute("src");
  showClip(clip);
}

async function toggle(clip) {
  if (clip.recording) {
    clip.recording.stop();
    return;
  }
  tell("");
  try {
    clip.recording = await record(MOST_SECONDS);
    showClip(clip);
    setSound(clip, await clip.recording.clip);
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    tell(refused ? "The browser may not use the microphone. Allow it, or add files." : error.message);
  } finally {
    clip.recording = null;
    showClip(clip);
  }
}

async function addFiles(files) {
  tell("");
  const texts = new Map();
  for (const file of files.filter((each) => each.name.endsWith(".txt"))) {
    texts.set(stem(file), (await file.text()).trim());
  }
  for (const file of files.filter((each) => !each.name.endsWith(".txt"))) {
    try {
      const sound = await clipOf(file);
      if (sound.seconds > MOST_SECONDS) {
        tell(`${file.name} lasts ${sound.seconds.toFixed(0)} s; ${MOST_SECONDS} s at most.`);
        continue;
      }
      // Sentences that nobody has read make room for what brings its own words.
      const free = clips.findIndex((clip) => !clip.sound && !clip.recording);
      if (free >= 0) clips.splice(free, 1)[0].row.remove();
      const clip = newClip(texts.get(stem(file)) ?? "");
      clips.push(clip);
      setSound(clip, sound);
    } catch {
      tell(`${file.name} cannot be read as sound.`);
    }
  }
}

const stem = (file) => file.name.replace(/\.[^.]*$/, "");

async function send(event) {
  event.preventDefault();
  tell("");
  const heard = clips.filter((clip) => clip.sound);
  if (heard.length > MOST_CLIPS) {
    tell(`${heard.length} recordings; ${MOST_CLIPS} at most.`);
    return;
  }
  at("clone-start").disabled = true;
  try {
    const body = {
      name: at("clone-name").value.trim(),
      accent: at("clone-accent").value,
      consent: at("consent").checked,
      recordings: await Promise.all(
        heard.map(async ({ sound, said }) => ({
          audio: await asBase64(sound.wav),
          text: said.value.trim(),
        })),
      ),
    };
    follow(await (await ask("/v1/clones", { method: "POST", body })).json());
  } catch (error) {
    tell(error.message);
    at("clone-start").disabled = false;
  }
}

async function follow(job) {
  following = job.id;
  at("clone-start").disabled = true;
  at("clone-cancel").disabled = false;
  at("clone-voice").hidden = true;
  at("clone-progress").hidden = false;
  try {
    while (job.state === "running") {
      show(job);
      await new Promise((settle) => setTimeout(settle, POLL_MILLISECONDS));
      job = await (await ask(`/v1/clones/${job.id}`)).json();
    }
    await end(job);
  } catch (error) {
    tell(error.message);
  } finally {
    following = null;
    at("clone-start").disabled = false;
    at("clone-cancel").disabled = true;
    at("clone-progress").hidden = true;
  }
}

function show(job) {
  const left = job.share > 0.02 ? (job.seconds * (1 - job.share)) / job.share : null;
  const rest = left === null ? "" : `, about ${Math.ceil(left / 60)} min left`;
  at("clone-progress").value = job.share;
  at("clone-status").textContent = `${job.name}: ${STAGES[job.stage] ?? job.stage}${rest}`;
}

async function end(job) {
  at("clone-status").textContent = "";
  if (job.state === "failed") throw new Error(`No voice was made: ${job.message}`);
  if (job.state === "cancelled") {
    at("clone-status").textContent = "Cancelled. The server has removed the recordings.";
    return;
  }
  const file = await (await ask(`/v1/clones/${job.id}/voice`)).blob();
  offer(at("clone-voice"), file, `${job.name}.onnx`);
  await told(job.name);
  at("clone-status").textContent = `${job.name} is made, and chosen above: let it speak.`;
}

at("clone-form").addEventListener("submit", send);
at("clone-cancel").addEventListener("click", () => {
  ask(`/v1/clones/${following}`, { method: "DELETE" }).catch((error) => tell(error.message));
});
at("files").addEventListener("change", (event) => {
  addFiles([...event.target.files]);
  event.target.value = "";
});
for (const kind of ["dragover", "drop"]) {
  at("clone-form").addEventListener(kind, (event) => event.preventDefault());
}
at("clone-form").addEventListener("drop", (event) => addFiles([...event.dataTransfer.files]));
