// The picture of a wave: its greatest magnitude in short blocks, as bars.

import { RATE } from "/static/player.js";

const BLOCK_SAMPLES = 240;

export class Peaks {
  constructor() {
    this.blocks = [];
    this.samples = 0;
  }

  push(samples) {
    for (let start = 0; start < samples.length; start += BLOCK_SAMPLES) {
      const block = samples.subarray(start, start + BLOCK_SAMPLES);
      this.blocks.push(block.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0));
    }
    this.samples += samples.length;
  }

  get seconds() {
    return this.samples / RATE;
  }

  columns(width) {
    const number = Math.min(this.blocks.length, Math.floor(width / 4));
    return Array.from({ length: number }, (_, index) => {
      const start = Math.floor((index * this.blocks.length) / number);
      const stop = Math.max(start + 1, Math.floor(((index + 1) * this.blocks.length) / number));
      return this.blocks.slice(start, stop).reduce((a, b) => Math.max(a, b), 0) / 32767;
    });
  }
}

export function drawWave(canvas, columns) {
  const brush = canvas.getContext("2d");
  const { width, height } = canvas;
  const step = width / columns.length;
  brush.clearRect(0, 0, width, height);
  brush.fillStyle = getComputedStyle(canvas).color;
  columns.forEach((peak, index) => {
    const tall = Math.max(2, peak * height * 0.95);
    brush.fillRect(index * step, (height - tall) / 2, Math.max(1, step - 1), tall);
  });
}
