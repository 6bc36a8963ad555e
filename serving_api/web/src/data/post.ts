/** What forms send, as the person who is signed in. */
import { useState } from "preact/hooks";
import { outcomeOf, type Outcome } from "./problem.ts";
import { sendJson } from "./session.ts";
import type { Path, Problem, ReceiptOf } from "./types.ts";

export function post<P extends Path>(path: P, body: object, headers: Record<string, string> = {}): Promise<Outcome<ReceiptOf<P>>> {
  return outcomeOf(sendJson(path, body, headers));
}

/** Submits a form: `send` gets its fields, and returns what is wrong. */
export function useForm(send: (fields: FormData, form: HTMLFormElement) => Promise<Problem | null>) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [waits, setWaits] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    setWaits(true);
    setProblem(await send(new FormData(form), form));
    setWaits(false);
  };
  return { submit, problem, waits };
}

export interface Sent<Body> extends Outcome<Body> {
  loading: boolean;
}
/** The newest outcome of a form, and how to send it. */
export function usePost<P extends Path>(path: P): [Sent<ReceiptOf<P>>, (body: object) => Promise<void>] {
  const [sent, setSent] = useState<Sent<ReceiptOf<P>>>({ body: null, problem: null, loading: false });
  const send = async (body: object) => {
    setSent((before) => ({ ...before, loading: true }));
    setSent({ ...(await post(path, body)), loading: false });
  };
  return [sent, send];
}
