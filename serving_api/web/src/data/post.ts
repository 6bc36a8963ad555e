/** A form's request: its answer, what is wrong with it, and whether it is under way. */
import { useState } from "preact/hooks";
import { lang } from "../i18n/index.ts";
import { NO_NETWORK, problemOf } from "./problem.ts";
import type { Path, Problem, ReceiptOf } from "./types.ts";

export interface Sent<Body> {
  body: Body | null;
  problem: Problem | null;
  loading: boolean;
}

export function usePost<P extends Path>(url: P): [Sent<ReceiptOf<P>>, (request: object) => Promise<void>] {
  const [sent, setSent] = useState<Sent<ReceiptOf<P>>>({ body: null, problem: null, loading: false });
  const send = async (request: object) => {
    setSent((before) => ({ ...before, loading: true }));
    const headers = { Accept: "application/json", "Accept-Language": lang.value, "Content-Type": "application/json" };
    try {
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
      const problem = response.ok ? null : await problemOf(response);
      setSent({ body: response.ok ? await response.json() : null, problem, loading: false });
    } catch {
      setSent({ body: null, problem: NO_NETWORK, loading: false });
    }
  };
  return [sent, send];
}
