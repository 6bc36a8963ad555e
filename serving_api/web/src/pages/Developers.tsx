/** For developers: what the pages have just read, as curl, Python and SQL. */
import { calls, queries } from "../data/feed.ts";
import { t } from "../i18n/index.ts";
import { curl, query } from "../ui/Origin.tsx";

const EXAMPLE = "/api/v1/overview";
const SQL = "select market_date, commodity, region, price_idr from gold.live_prices limit 10";
const python = (url: string) => `import json\nfrom urllib.request import urlopen\n\nwith urlopen("${location.origin}${url}") as response:\n    body = json.load(response)\nprint(body["meta"])`;

export function Developers() {
  const urls = calls.value.length ? calls.value : [EXAMPLE];
  const sqls = [...new Set(urls.flatMap((url) => queries.get(url) ?? []))];
  return (
    <div class="grid">
      <section class="card full" aria-labelledby="last-calls">
        <h2 id="last-calls">{t("last_calls")}</h2>
        <p>{t("last_calls_text")}</p>
        {urls.map((url) => (
          <pre key={url} tabIndex={0}>
            {curl(url)}
          </pre>
        ))}
      </section>
      <section class="card half" aria-labelledby="python">
        <h2 id="python">Python</h2>
        <pre tabIndex={0}>{python(urls[0])}</pre>
      </section>
      <section class="card half" aria-labelledby="sql">
        <h2 id="sql">SQL</h2>
        {(sqls.length ? sqls : [SQL]).map((sql) => (
          <pre key={sql} tabIndex={0}>
            {query(sql)}
          </pre>
        ))}
      </section>
      <section class="card full" aria-labelledby="more">
        <h2 id="more">{t("more")}</h2>
        <ul>
          <li>
            <a href="/docs">{t("api_docs")}</a>
          </li>
          <li>
            <a href="/openapi.json">OpenAPI 3.1</a>
          </li>
          <li>
            <a href="/docs-md/README.md">{t("docs_markdown")}</a>, <a href="/llms.txt">llms.txt</a>
          </li>
          <li>
            <a href="/assets/licenses.txt">{t("licences")}</a>
          </li>
        </ul>
      </section>
    </div>
  );
}
