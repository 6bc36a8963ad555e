/** What an answer that is no success says. */
import type { Problem } from "./types.ts";

export const NO_NETWORK: Problem = { type: "", title: "network", detail: "", status: 0, trace_id: null };

/** The problem of an answer; the first fault of a body stands for all of them. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = await response.json().catch(() => ({}));
  const fault = Array.isArray(body.errors) ? body.errors[0]?.message : null;
  const detail = typeof body.detail === "string" && body.detail !== "" ? body.detail : (fault ?? "");
  return { type: body.type ?? "", title: body.title ?? response.statusText, detail, status: response.status, trace_id: body.trace_id ?? null };
}

export interface Outcome<Body> {
  body: Body | null;
  problem: Problem | null;
}
/** The answer to a call, or its problem. */
export async function outcomeOf<Body>(call: Promise<Response>): Promise<Outcome<Body>> {
  const response = await call.catch(() => null);
  if (!response?.ok) return { body: null, problem: response ? await problemOf(response) : NO_NETWORK };
  return { body: await response.json().catch(() => null), problem: null };
}
