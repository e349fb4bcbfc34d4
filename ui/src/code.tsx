// What a person reads to IT over the telephone: the code of a problem and that of this device.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { t } from "./text";

/** Placeholder for the device's code, which stays in one line. */
const HERE = "\u{e000}";

/** Code by which IT finds this device; none until it is enrolled. */
export const DeviceCodeContext = createContext<string | null>(null);

export function CodeForIt({ id, code }: { id: string; code: string }) {
  const device = useContext(DeviceCodeContext);
  const [before, after] = t(device === null ? "code" : "code-device", { code, device: HERE }).split(HERE);
  return (
    <p class="detail" id={id}>
      {before}
      {device !== null && <span class="whole">{device}</span>}
      {after}
    </p>
  );
}
