/** What an answer that is no success says. */
import type { Problem } from "./types.ts";

export const NO_NETWORK: Problem = { type: "", title: "network", detail: "", status: 0, trace_id: null };

/** Characters that reorder the text after them: a name could read as another one. */
const BIDIRECTIONAL = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What a JSON text holds; texts of strangers show characters that reorder text as U+FFFD. */
export const valueOf = <Body>(json: string): Body => JSON.parse(json.replace(BIDIRECTIONAL, "\ufffd"));

/** The body of an answer, by `valueOf`. Throws where it is no JSON. */
export const bodyOf = <Body>(response: Response): Promise<Body> => response.text().then((text) => valueOf<Body>(text));

/** The problem of an answer; the first fault of a body stands for all of them. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => ({}));
  const fault = Array.isArray(body.errors) ? body.errors[0]?.message : null;
  const detail = typeof body.detail === "string" && body.detail !== "" ? body.detail : (fault ?? "");
  return { type: body.type ?? "", title: body.title ?? response.statusText, detail, status: response.status, trace_id: body.trace_id ?? null };
}

/** The problem of a call, null when it succeeded. */
export async function problemAfter(call: Promise<Response>): Promise<Problem | null> {
  try {
    const response = await call;
    return response.ok ? null : await problemOf(response);
  } catch {
    return NO_NETWORK;
  }
}
