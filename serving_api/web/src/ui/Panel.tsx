/** A panel around a feed: it alone knows loading, empty, error, stale and no permission, so no page forgets one. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { refresh, type Feed } from "../data/feed.ts";
import type { Answer } from "../data/types.ts";
import { duration } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { Origin } from "./Origin.tsx";

const STALE_MS = 90_000;

interface PanelProps<Body extends Answer> {
  title: string;
  feed: Feed<Body>;
  /** Whether the body holds anything to show. */
  isEmpty?: (body: Body) => boolean;
  empty?: ComponentChildren;
  /** SQL that gives the same figures with ./run.sh query. */
  sql?: string;
  tools?: ComponentChildren;
  class?: string;
  children: (body: Body) => ComponentChildren;
}

function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Fault({ feed }: { feed: Feed<Answer> }) {
  const problem = feed.problem!;
  const forbidden = problem.status === 401 || problem.status === 403;
  const text = problem.status === 0 ? t("error_network") : problem.detail || problem.title;
  return (
    <div class="fault" role="alert">
      <p>
        <b>{forbidden ? t("error_role") : t("error_title")}</b> {text}
        {problem.trace_id && <small> {t("error_trace", { id: problem.trace_id })}</small>}
      </p>
      {!forbidden && (
        <button class="solid" onClick={() => void refresh(feed.url)}>
          {t("retry")}
        </button>
      )}
    </div>
  );
}

export function Panel<Body extends Answer>(props: PanelProps<Body>) {
  const { feed, title } = props;
  const heading = useId();
  const now = useNow(15_000);
  const age = feed.confirmed === null ? 0 : now - feed.confirmed;
  const isStale = feed.body !== null && (feed.problem !== null || age > STALE_MS);
  return (
    <section class={`card ${props.class ?? ""}`} aria-labelledby={heading} aria-busy={feed.loading && !feed.body}>
      <header class="bar">
        <h2 id={heading}>{title}</h2>
        {props.tools}
        {feed.body && <Origin title={title} url={feed.url} meta={feed.body.meta} sql={props.sql} />}
      </header>
      {feed.problem && <Fault feed={feed} />}
      {isStale && (
        <p class="stale" role="status">
          {t("stale", { age: duration(age / 1000) })}
        </p>
      )}
      {!feed.body && !feed.problem && (
        <div class="skeleton" role="status">
          {t("loading")}
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
