// The picture of a sound's mel spectrogram: pitch upwards, time to the right, louder is stronger.

import { RATE } from "/static/player.js";

const SIZE = 1024;
const HOP = 256;
export const BINS = 64;
const HIGHEST_HZ = 8000;
// What is this much quieter than the loudest is not shown.
const RANGE_DB = 70;

const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
const hertz = (height) => 700 * (10 ** (height / 2595) - 1);
const hann = Float32Array.from({ length: SIZE }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / SIZE));
// Borders of the bins, as places in the spectrum.
const borders = Array.from({ length: BINS + 2 }, (_, at) =>
  (hertz((mel(HIGHEST_HZ) * at) / (BINS + 1)) * SIZE) / RATE,
);

function reversed(index) {
  let other = 0;
  for (let bit = 1; bit < SIZE; bit <<= 1) {
    other = (other << 1) | (index & bit ? 1 : 0);
  }
  return other;
}

const order = Uint16Array.from({ length: SIZE }, (_, index) => reversed(index));

// Cooley and Tukey's transform in place, from the order of reversed bits.
function transform(real, imaginary) {
  for (let half = 1; half < SIZE; half *= 2) {
    for (let at = 0; at < half; at += 1) {
      const angle = (-Math.PI * at) / half;
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
      for (let low = at; low < SIZE; low += 2 * half) {
        const high = low + half;
        const r = real[high] * cosine - imaginary[high] * sine;
        const i = real[high] * sine + imaginary[high] * cosine;
        real[high] = real[low] - r;
        imaginary[high] = imaginary[low] - i;
        real[low] += r;
        imaginary[low] += i;
      }
    }
  }
}

// Decibels in every bin of one window of samples.
export function column(samples) {
  const real = new Float32Array(SIZE);
  const imaginary = new Float32Array(SIZE);
  order.forEach((from, to) => {
    real[to] = (samples[from] / 32767) * hann[from];
  });
  transform(real, imaginary);
  return Float32Array.from({ length: BINS }, (_, bin) => {
    const [low, middle, high] = borders.slice(bin, bin + 3);
    let power = 1e-10;
    for (let at = Math.ceil(low); at < high; at += 1) {
      const weight = at < middle ? (at - low) / (middle - low) : (high - at) / (high - middle);
      power += weight * (real[at] ** 2 + imaginary[at] ** 2);
    }
    return 10 * Math.log10(power);
  });
}

export class Mel {
  constructor() {
    this.columns = [];
    this.waiting = new Int16Array(0);
  }

  push(samples) {
    const all = new Int16Array(this.waiting.length + samples.length);
    all.set(this.waiting);
    all.set(samples, this.waiting.length);
    let start = 0;
    for (; start + SIZE <= all.length; start += HOP) {
      this.columns.push(column(all.subarray(start, start + SIZE)));
    }
    this.waiting = all.slice(start);
  }

  draw(canvas) {
    const brush = canvas.getContext("2d");
    brush.clearRect(0, 0, canvas.width, canvas.height);
    const width = Math.min(canvas.width, this.columns.length);
    if (!width) return;
    const loudest = this.columns.reduce((most, each) => Math.max(most, ...each), -Infinity);
    const picture = new ImageData(width, BINS);
    const [red, green, blue] = inkOf(canvas);
    for (let x = 0; x < width; x += 1) {
      const bins = this.columns[Math.floor((x * this.columns.length) / width)];
      bins.forEach((decibels, bin) => {
        const strength = Math.max(0, 1 + (decibels - loudest) / RANGE_DB);
        picture.data.set([red, green, blue, 255 * strength], 4 * ((BINS - 1 - bin) * width + x));
      });
    }
    const sheet = new OffscreenCanvas(width, BINS);
    sheet.getContext("2d").putImageData(picture, 0, 0);
    brush.drawImage(sheet, 0, 0, canvas.width, canvas.height);
  }
}

// The colour of a canvas's text, whatever notation the style sheet has.
function inkOf(canvas) {
  const brush = new OffscreenCanvas(1, 1).getContext("2d");
  brush.fillStyle = getComputedStyle(canvas).color;
  brush.fillRect(0, 0, 1, 1);
  return brush.getImageData(0, 0, 1, 1).data;
}
