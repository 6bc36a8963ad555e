/**
 * Reports of backtests as a file by itself, without the API: the page that holds this script has them as JSON in
 * `<script type="application/json" id="report">`.
 */
import { render } from "preact";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/queue.css";
import type { TestResult } from "./data/types.ts";
import { lang, setLanguage, t } from "./i18n/index.ts";
import { strategyText } from "./pages/trading/facts.ts";
import { Report } from "./pages/trading/Report.tsx";
import { Simulated } from "./pages/trading/parts.tsx";
import "./theme.ts";
import { showHiddenCharacters } from "./ui/everyText.ts";

function Reports({ results }: { results: TestResult[] }) {
  const other = lang.value === "id" ? "en" : "id";
  document.documentElement.lang = lang.value;
  document.title = `${t("backtests")} · Lumbung`;
  return (
    <main class="file">
      <header class="top">
        <h1>{t("backtests")}</h1>
        <button class="ghost noprint" lang={other} onClick={() => void setLanguage(other)}>
          {other === "en" ? "English" : "Indonesia"}
        </button>
      </header>
      <Simulated />
      {results.map((result) => (
        <section key={`${result.symbol} ${result.strategy}`} class="card">
          <h2>{t("report_of", { symbol: result.symbol, strategy: strategyText(result.strategy) })}</h2>
          <Report result={result} />
        </section>
      ))}
    </main>
  );
}

showHiddenCharacters();
const given = JSON.parse(document.getElementById("report")!.textContent!) as TestResult[];
// In the language of the file, in which its verdicts and reasons are written.
const language = document.documentElement.lang === "en" ? "en" : "id";
void setLanguage(language).then(() => render(<Reports results={given} />, document.body.appendChild(document.createElement("div"))));
