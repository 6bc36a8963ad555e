/** The note to others that somebody looks at a row, renewed while it is open. */
import { useEffect, useState } from "preact/hooks";
import { mayAs, sendJson } from "../../data/session.ts";

const SETTLE_MS = 400;
const RENEW_MS = 60_000;

export interface Held {
  by: string;
  until: string;
}

/** Who else looks at the row; null: nobody, or not known. */
export function useHold(id: string | null): Held | null {
  const [held, setHeld] = useState<Held | null>(null);
  const may = mayAs("operator");
  useEffect(() => {
    setHeld(null);
    if (!id || !may) return;
    let stopped = false;
    const note = async () => {
      const response = await sendJson(`/api/v1/quarantine/${encodeURIComponent(id)}/hold`, {}).catch(() => null);
      const body = response?.status === 409 ? await response.json() : null;
      if (!stopped) setHeld(body?.held_by ? { by: body.held_by, until: body.until } : null);
    };
    const first = setTimeout(() => void note(), SETTLE_MS);
    const timer = setInterval(() => void note(), RENEW_MS);
    return () => {
      stopped = true;
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [id, may]);
  return held;
}
