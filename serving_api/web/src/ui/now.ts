/** The present moment, which runs. */
import { useEffect, useState } from "preact/hooks";

/** ms since 1970, renewed while `runs`. */
export function useNow(everyMs: number, runs = true): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!runs) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, runs]);
  return now;
}
