// What a person reads to IT over the telephone: the code of a problem and that of this device.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { t } from "./text";

/** Code by which IT finds this device; none until it is enrolled. */
export const DeviceCodeContext = createContext<string | null>(null);

export function CodeForIt({ id, code }: { id: string; code: string }) {
  const device = useContext(DeviceCodeContext);
  return (
    <p class="detail" id={id}>
      {device === null ? t("code", { code }) : t("code-device", { code, device })}
    </p>
  );
}
