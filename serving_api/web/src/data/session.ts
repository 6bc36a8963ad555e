/**
 * Who is signed in. The access token is in memory alone; the refresh token is in a cookie that no script can read.
 * `request` is how pages call the API: with the token of the person, which it renews in time.
 */
import { computed, signal } from "@preact/signals";
import { lang } from "../i18n/index.ts";
import { forget, recall, remember } from "./memory.ts";
import type { ReceiptOf } from "./types.ts";

export const ROLES = ["user", "operator", "central", "admin"] as const;
export type Role = (typeof ROLES)[number];
interface Session {
  token: string;
  role: Role;
  /** When the token is renewed, ms since 1970. */
  renewed: number;
}
type Tokens = ReceiptOf<"/api/v1/auth/login">;
const session = signal<Session | null>(null);
export const role = computed(() => session.value?.role ?? null);
/** Whether the person has this role or one above. */
export const mayAs = (needed: Role): boolean => role.value !== null && ROLES.indexOf(role.value) >= ROLES.indexOf(needed);

/** Remembered between visits: that there is a cookie to renew from. It is no secret. */
const SIGNED_IN = "signed-in";
const LOCK = "lumbung-sign-in";
const MARGIN_MS = 30_000;
const TIMEOUT_MS = 20_000;

function take(tokens: Tokens): void {
  remember(SIGNED_IN, "1");
  session.value = { token: tokens.access_token, role: tokens.role, renewed: Date.now() + tokens.expires_in * 1000 - MARGIN_MS };
}
function end(): void {
  forget(SIGNED_IN);
  session.value = null;
}
// Another tab signed out: nothing that only the person may see stays on this one. It signed in: so does this one.
addEventListener("storage", (event) => {
  if (event.key === SIGNED_IN && (event.newValue !== null) !== (session.value !== null)) location.reload();
});

function post(path: string, body: object, token: string | null = null): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": "application/json", Accept: "application/json", "Accept-Language": lang.value };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body), keepalive: true });
}

/** Tabs share the cookie, whose token is spent once: they renew one after the other. */
function alone<Result>(work: () => Promise<Result>): Promise<Result> {
  return navigator.locks ? navigator.locks.request(LOCK, work) : work();
}
let renewal: Promise<void> | null = null;
function renew(): Promise<void> {
  renewal ??= alone(async () => {
    const response = await post("/api/v1/auth/refresh", {});
    if (response.ok) take(await response.json());
    else if (response.status < 500 && response.status !== 429) end();
  }).finally(() => (renewal = null));
  return renewal;
}

/** The token of the person, renewed where its time is over; null: nobody is signed in. */
async function bearer(): Promise<string | null> {
  if (!recall(SIGNED_IN)) return null;
  if (!session.value || Date.now() > session.value.renewed) await renew();
  return session.value?.token ?? null;
}

/** Call the API as the person who is signed in, or as nobody. */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  const send = (token: string | null) => {
    const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": lang.value, ...(init.headers as Record<string, string>) };
    if (token) headers.Authorization = `Bearer ${token}`;
    return fetch(url, { ...init, headers, signal: init.signal ?? AbortSignal.timeout(TIMEOUT_MS) });
  };
  const token = await bearer();
  const response = await send(token);
  if (response.status !== 401 || !token) return response;
  if (session.value?.token === token) session.value = { ...session.value, renewed: 0 };
  return send(await bearer());
}

/** Send a JSON body as the person who is signed in. */
export function sendJson(url: string, body: object, headers: Record<string, string> = {}, method = "POST"): Promise<Response> {
  return request(url, { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}

async function begin(path: string, body: object): Promise<Response> {
  const response = await post(path, { ...body, cookie: true });
  if (response.ok) take(await response.clone().json());
  return response;
}
/** The answer to a sign-in; the session has begun when it is ok. */
export const signIn = (email: string, password: string): Promise<Response> => begin("/api/v1/auth/login", { email, password });
/** The answer to a one-time link, which sets the password. */
export const followLink = (link: string, password: string): Promise<Response> => begin("/api/v1/auth/link", { link, password });

/**
 * The answer to a change of the password, which ends all sign-ins: this one begins again with the new password. A
 * wrong one is not sent twice, as `request` does after 401: it counts like one of a sign-in.
 */
export async function changePassword(email: string, current: string, next: string): Promise<Response> {
  const token = await bearer();
  return alone(async () => {
    const response = await post("/api/v1/users/me/password", { current_password: current, new_password: next }, token);
    return response.ok ? signIn(email, next) : response;
  });
}

/** End the sign-in, or all of the person, and reload the page: nothing of the person stays in memory. */
export async function signOut(everywhere = false): Promise<void> {
  const token = await bearer().catch(() => null);
  if (token) await post("/api/v1/auth/logout", { all: everywhere }, token).catch(() => null);
  end();
  location.assign("/");
}

/** Renew the session of an earlier visit. */
export function resume(): void {
  bearer().catch(() => null); // without network the pages say so themselves
}
