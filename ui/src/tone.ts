// Short tones, so that a person who looks at the application hears how a request ended.
import type { PromptResult } from "./bindings";

/** Hertz, in order: up for what went well, down for what did not. */
const NOTES: Partial<Record<PromptResult, number[]>> = { approved: [660, 880], declined: [520, 440] };
const OTHER = [440, 330, 330];
/** Seconds of one note. */
const LENGTH = 0.09;

/** Plays the tone of an end. A device without sound stays silent. */
export function play(end: PromptResult): void {
  try {
    const audio = new AudioContext();
    const notes = NOTES[end] ?? OTHER;
    notes.forEach((pitch, place) => {
      const [note, volume] = [audio.createOscillator(), audio.createGain()];
      const [from, to] = [audio.currentTime + place * LENGTH, audio.currentTime + (place + 1) * LENGTH];
      note.frequency.value = pitch;
      // Without a click at either end.
      volume.gain.setValueAtTime(0, from);
      volume.gain.linearRampToValueAtTime(0.2, from + 0.01);
      volume.gain.linearRampToValueAtTime(0, to);
      note.connect(volume).connect(audio.destination);
      note.start(from);
      note.stop(to);
      if (place === notes.length - 1) note.onended = () => void audio.close();
    });
  } catch {
    // There is no sound here.
  }
}
