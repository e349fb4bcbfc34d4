// Short tones, so that a person who looks at the application hears how a request ended.
import type { PromptResult } from "./bindings";

/** Hertz, in order: up for what went well, down for what did not. */
const NOTES: Partial<Record<PromptResult, number[]>> = { approved: [660, 880], declined: [520, 440] };
const OTHER = [440, 330, 330];
/** Seconds of one note. */
const LENGTH = 0.09;
/** Amplitude at full volume. */
const LOUDEST = 0.2;

/** The way to the loudspeaker, the same for every tone: a browser allows few, and each holds a stream of the system. */
let audio: AudioContext | null = null;
/** Notes of the last tone. */
let playing: AudioNode[] = [];

/** Plays the tone of an end, at this volume in percent. A device without sound stays silent. */
export function play(end: PromptResult, percent: number): void {
  if (percent === 0) return;
  try {
    const out = (audio ??= new AudioContext());
    // Without a device the time of sound stands still: what waits must not be heard later, all at once.
    for (const volume of playing) volume.disconnect();
    const notes = NOTES[end] ?? OTHER;
    playing = notes.map((pitch, place) => {
      const [note, volume] = [out.createOscillator(), out.createGain()];
      const [from, to] = [out.currentTime + place * LENGTH, out.currentTime + (place + 1) * LENGTH];
      note.frequency.value = pitch;
      // Without a click at either end.
      volume.gain.setValueAtTime(0, from);
      volume.gain.linearRampToValueAtTime((LOUDEST * percent) / 100, from + 0.01);
      volume.gain.linearRampToValueAtTime(0, to);
      note.connect(volume).connect(out.destination);
      note.start(from);
      note.stop(to);
      // Gives the system's stream back, unless another tone has begun.
      if (place === notes.length - 1) note.onended = () => void (playing.includes(volume) && silence(out.suspend()));
      return volume;
    });
    silence(out.resume());
  } catch {
    // There is no sound here.
  }
}

/** A device may lose its sound at any time. */
function silence(done: Promise<void>): void {
  done.catch(() => undefined);
}
