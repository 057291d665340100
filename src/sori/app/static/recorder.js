// Recordings: from the microphone, and from files of any kind that the browser can decode.

import { RATE, wavFile } from "/static/player.js";

// A clip that sounds: a wav file of one channel, and its length.
export async function clipOf(blob) {
  const decoder = new OfflineAudioContext(1, 1, RATE);
  const sound = await decoder.decodeAudioData(await blob.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, number) =>
    sound.getChannelData(number),
  );
  const samples = Int16Array.from(channels[0], (_, index) => {
    const sum = channels.reduce((total, channel) => total + channel[index], 0);
    return Math.max(-1, Math.min(1, sum / channels.length)) * 32767;
  });
  return { wav: wavFile([samples]), seconds: sound.duration };
}

export const canRecord = () => Boolean(navigator.mediaDevices && window.MediaRecorder);

// Records until `stop` is called, or so many seconds have passed.
export async function record(mostSeconds) {
  const stream = await navigator.mediaDevices.getUserMedia({
    // What makes telephone calls clear takes away from a voice what makes it that voice.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const recorder = new MediaRecorder(stream);
  const chunks = [];
  recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
  const clip = new Promise((settle, fail) => {
    recorder.addEventListener("stop", () => {
      stream.getTracks().forEach((track) => track.stop());
      clipOf(new Blob(chunks)).then(settle, fail);
    });
  });
  const stop = () => recorder.state === "inactive" || recorder.stop();
  const limit = setTimeout(stop, 1000 * mostSeconds);
  clip.finally(() => clearTimeout(limit)).catch(() => {});
  recorder.start();
  return { clip, stop };
}

export function asBase64(blob) {
  return new Promise((settle, fail) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => settle(reader.result.split(",")[1]));
    reader.addEventListener("error", () => fail(reader.error));
    reader.readAsDataURL(blob);
  });
}
