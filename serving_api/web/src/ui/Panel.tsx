/** A panel around a feed: it alone knows loading, empty, error, stale and no permission, so no page forgets one. */
import type { ComponentChildren } from "preact";
import { useEffect, useId } from "preact/hooks";
import { queries, refresh, type Feed } from "../data/feed.ts";
import { link } from "../data/live.ts";
import { mayAs, role, type Role } from "../data/session.ts";
import type { Answer, Problem } from "../data/types.ts";
import { duration } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { linkTo, path, query } from "../router.ts";
import type { MethodId } from "./method.ts";
import { Origin } from "./Origin.tsx";
import { useNow } from "./now.ts";

const STALE_MS = 90_000;

export interface PanelProps<Body extends Partial<Answer>> {
  title: string;
  feed: Feed<Body>;
  /** Whether the body holds anything to show. */
  isEmpty?: (body: Body) => boolean;
  empty?: ComponentChildren;
  /** SQL that gives the same figures with ./run.sh query. */
  sql?: string;
  /** The section of /metode about its figures, where their table alone does not say it. */
  method?: MethodId;
  tools?: ComponentChildren;
  /** The least role that may read the feed; nobody: everybody may. */
  needs?: Role;
  class?: string;
  /** What the address may lead to. */
  id?: string;
  /** What is shown while the first answer is under way. */
  waiting?: string;
  children: (body: Body) => ComponentChildren;
}

/** Why something failed, in a sentence. */
export function ProblemText({ problem }: { problem: Problem }) {
  return (
    <p class="grave" role="alert">
      {problem.status === 0 ? t("error_network") : problem.detail || problem.title}
      {problem.trace_id && <small> {t("error_trace", { id: problem.trace_id })}</small>}
    </p>
  );
}

/** Leads to the sign-in page and back. */
export function SignInLink({ class: name }: { class: string }) {
  return (
    <a class={name} href={linkTo("/masuk", { kembali: path.value + query.value })}>
      {t("sign_in")}
    </a>
  );
}

export function Fault({ feed }: { feed: Feed<unknown> }) {
  const problem = feed.problem!;
  const text = problem.status === 0 ? t("error_network") : problem.detail || problem.title;
  return (
    <div class="fault" role="alert">
      <p>
        <b>{t("error_title")}</b> {text}
        {problem.trace_id && <small> {t("error_trace", { id: problem.trace_id })}</small>}
      </p>
      <button class="solid" onClick={() => void refresh(feed.url)}>
        {t("retry")}
      </button>
    </div>
  );
}

/** Problems that say that there is nothing yet: no fault, and nothing to try again. */
const NOTHING_YET: readonly string[] = ["/problems/no-forecast", "/problems/no-model"];
const isForbidden = (problem: Problem | null): boolean => problem?.status === 401 || problem?.status === 403;

/** The reader may not see this: which role may, and the way to sign in. */
function NoPermission({ needs }: { needs: Role }) {
  return (
    <div class="fault" role="alert">
      <p>
        <b>{t("error_role")}</b> {t("needs_role", { role: t(`role_${needs}`) })}
        {role.value && ` ${t("signed_in_as", { role: t(`role_${role.value}`) })}`}
      </p>
      {!mayAs(needs) && <SignInLink class="solid" />}
    </div>
  );
}

export function Panel<Body extends Partial<Answer>>(props: PanelProps<Body>) {
  const { feed, title } = props;
  const heading = useId();
  const now = useNow(15_000);
  const age = feed.confirmed === null ? 0 : now - feed.confirmed;
  const isNothing = NOTHING_YET.includes(feed.problem?.type ?? "");
  useEffect(() => {
    if (props.sql && feed.url) queries.set(feed.url, props.sql);
  }, [props.sql, feed.url]);
  const isStale = feed.body !== null && (feed.problem !== null || age > STALE_MS);
  // One banner for the whole page, not a fault in each panel.
  const isCutOff = feed.problem?.status === 0 && link.value.state === "lost" && feed.body !== null;
  return (
    <section id={props.id} class={`card ${props.class ?? ""}`} aria-labelledby={heading} aria-busy={feed.loading && !feed.body}>
      <header class="bar">
        <h2 id={heading}>{title}</h2>
        {props.tools}
        {feed.body?.meta && <Origin title={title} url={feed.url} body={{ ...feed.body, meta: feed.body.meta }} sql={props.sql} method={props.method} />}
      </header>
      {isNothing && <p class="empty">{feed.problem?.detail}</p>}
      {feed.problem && !isNothing && !isCutOff && (isForbidden(feed.problem) ? <NoPermission needs={props.needs ?? "user"} /> : <Fault feed={feed} />)}
      {isStale && !isCutOff && (
        <p class="stale" role="status">
          {t("stale", { age: duration(age / 1000) })}
        </p>
      )}
      {!feed.body && !feed.problem && (
        <div class={props.waiting ? "skeleton low" : "skeleton"} role="status">
          {props.waiting ?? t("loading")}
        </div>
      )}
      {feed.body && (
        <div class={isStale ? "greyed" : undefined}>
          {props.isEmpty?.(feed.body) ? <p class="empty">{props.empty ?? t("empty")}</p> : props.children(feed.body)}
        </div>
      )}
    </section>
  );
}
