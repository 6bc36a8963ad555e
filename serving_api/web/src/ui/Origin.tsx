/** "Asal angka": where the figures of a panel come from, and how to get them without the page. */
import { useRef } from "preact/hooks";
import { modelOf, type Answer } from "../data/types.ts";
import { duration, moment, written } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { linkTo } from "../router.ts";
import { answerRows } from "./answerRows.ts";
import { saveCsv } from "./DataTable.tsx";
import { methodOf, type MethodId } from "./method.ts";

/** The command that gives the same figures; a text from the address stays a text in a shell. */
export const query = (sql: string) => `./run.sh query "${sql.replace(/["\\$`]/g, "\\$&")}"`;
/** A text within SQL. */
export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const curl = (url: string) => `curl "${location.origin}${url}"`;

/** Every row as a file: texts of its columns are the names that the API gives them. */
function saveAnswer(url: string, body: Answer): void {
  const rows = answerRows(body);
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const file = new URL(url, location.origin).pathname.split("/").filter(Boolean).slice(-2).join("-");
  saveCsv(`lumbung-${file}.csv`, names.map((name) => ({ name, title: name, value: (row: (typeof rows)[number]) => row[name] ?? null })), rows);
}

interface OriginProps {
  title: string;
  url: string;
  body: Answer;
  sql?: string;
  method?: MethodId;
}
export function Origin({ title, url, body, sql, method }: OriginProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { meta } = body;
  const model = modelOf(body);
  const tables = Object.entries(meta.delta_version);
  const section = method ?? methodOf(Object.keys(meta.delta_version));
  const queries = sql ? [sql] : tables.map(([table]) => `select * from ${table} limit 100`);
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
          {model && <dt>{t("origin_model")}</dt>}
          {model && (
            <dd>
              {model.name} v{model.version} ({model.alias}){model.reason && `: ${written(model.reason)}`}
            </dd>
          )}
          <dt>{t("origin_lag")}</dt>
          <dd>{duration(meta.lag_seconds)}</dd>
          <dt>{t("origin_request")}</dt>
          <dd>{meta.request_id}</dd>
          {meta.demo_data && <dt>{t("origin_demo")}</dt>}
          {meta.demo_data && <dd>{t("origin_demo_text")}</dd>}
        </dl>
        {section && (
          <p>
            <a href={`${linkTo("/metode")}#${section}`}>{t("method_link")}</a>
          </p>
        )}
        <h3>API</h3>
        <pre tabIndex={0}>{curl(url)}</pre>
        {queries.length > 0 && <h3>SQL</h3>}
        {queries.map((text) => (
          <pre key={text} tabIndex={0}>
            {query(text)}
          </pre>
        ))}
        <form method="dialog" class="buttons">
          <button type="button" class="ghost" onClick={() => saveAnswer(url, body)}>
            {t("csv_answer")}
          </button>
          <button class="solid">{t("close")}</button>
        </form>
      </dialog>
    </>
  );
}
