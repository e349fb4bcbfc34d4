import { useEffect, useState } from "preact/hooks";

const seconds = () => Math.floor(Date.now() / 1000);

/** Seconds since 1970, updated at this interval in milliseconds. */
export function useNow(every: number): number {
  const [now, set] = useState(seconds);
  useEffect(() => {
    const timer = setInterval(() => set(seconds()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
