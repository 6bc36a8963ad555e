/** "Asal angka": where the figures of a panel come from, and how to get them without the page. */
import { useRef } from "preact/hooks";
import type { Meta } from "../data/types.ts";
import { duration, moment } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";

export const curl = (url: string) => `curl "${location.origin}${url}"`;

export function Origin({ title, url, meta, sql }: { title: string; url: string; meta: Meta; sql?: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const tables = Object.entries(meta.delta_version);
  return (
    <>
      <button class="ghost small noprint" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
        {t("origin")}
      </button>
      <dialog ref={dialog} aria-label={`${t("origin")}: ${title}`}>
        <h2>
          {t("origin")}: {title}
        </h2>
        <dl class="facts">
          <dt>{t("origin_as_of")}</dt>
          <dd>{moment(meta.as_of)}</dd>
          <dt>{t("origin_tables")}</dt>
          <dd>{tables.map(([table, version]) => `${table} v${version}`).join(", ") || "–"}</dd>
          {meta.rule_set && <dt>{t("origin_rules")}</dt>}
          {meta.rule_set && <dd>{meta.rule_set}</dd>}
          {meta.model && <dt>{t("origin_model")}</dt>}
          {meta.model && (
            <dd>
              {meta.model.name} v{meta.model.version} ({meta.model.alias}){meta.model.reason && `: ${meta.model.reason}`}
            </dd>
          )}
          <dt>{t("origin_lag")}</dt>
          <dd>{duration(meta.lag_seconds)}</dd>
          <dt>{t("origin_request")}</dt>
          <dd>{meta.request_id}</dd>
          {meta.demo_data && <dt>{t("origin_demo")}</dt>}
          {meta.demo_data && <dd>{t("origin_demo_text")}</dd>}
        </dl>
        <h3>API</h3>
        <pre tabIndex={0}>{curl(url)}</pre>
        {sql && <h3>SQL</h3>}
        {sql && <pre tabIndex={0}>{`./run.sh query "${sql}"`}</pre>}
        <form method="dialog">
          <button class="solid">{t("close")}</button>
        </form>
      </dialog>
    </>
  );
}
