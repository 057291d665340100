// Plays samples as they arrive, and packs them into a file.

export const RATE = 24000;
// Head start, so that the second piece is there before the first has ended.
const LEAD_SECONDS = 0.1;

export class Player {
  constructor(whenOver) {
    this.context = new AudioContext();
    this.end = 0;
    this.playing = 0;
    this.isComplete = false;
    this.whenOver = whenOver;
  }

  push(samples) {
    const buffer = this.context.createBuffer(1, samples.length || 1, RATE);
    const channel = buffer.getChannelData(0);
    samples.forEach((sample, index) => {
      channel[index] = sample / 32767;
    });
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    const start = Math.max(this.end, this.context.currentTime + LEAD_SECONDS);
    source.start(start);
    this.end = start + buffer.duration;
    this.playing += 1;
    source.addEventListener("ended", () => {
      this.playing -= 1;
      this.tellWhenOver();
    });
  }

  finish() {
    this.isComplete = true;
    this.tellWhenOver();
  }

  tellWhenOver() {
    if (this.isComplete && !this.playing && this.context.state !== "closed") {
      this.context.close();
      this.whenOver();
    }
  }

  stop() {
    if (this.context.state !== "closed") this.context.close();
  }
}

export function wavFile(pieces) {
  const length = pieces.reduce((total, piece) => total + piece.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const write = (place, text) =>
    [...text].forEach((letter, index) => header.setUint8(place + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  header.setUint32(4, 36 + length, true);
  write(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, RATE, true);
  header.setUint32(28, 2 * RATE, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  write(36, "data");
  header.setUint32(40, length, true);
  return new Blob([header, ...pieces], { type: "audio/wav" });
}
