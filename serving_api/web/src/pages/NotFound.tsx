/** An address without a page: what was looked for is searched in pages, commodities and provinces. */
import { useState } from "preact/hooks";
import { ENTRIES } from "../entries.ts";
import { t } from "../i18n/index.ts";
import { linkTo, param, path } from "../router.ts";
import { DEFAULT_COMMODITY, useSupported } from "../ui/controls.tsx";
import { matches, simple, type Target } from "./search.ts";

const MOST_SHOWN = 12;
/** What the address names and nobody knows: a commodity, else a page. */
export function NotFound() {
  const commodity = path.value === "/komoditas" ? param("komoditas") : null;
  const name = commodity ?? path.value;
  // Links keep the commodity: not one that nobody knows.
  const known: Record<string, string> = commodity ? { komoditas: DEFAULT_COMMODITY } : {};
  const supported = useSupported().body;
  const [words, setWords] = useState(() => simple(name));
  const targets: Target[] = [
    ...ENTRIES.map((entry) => ({ text: t(entry.title), url: linkTo(entry.path, known) })),
    ...(supported?.commodities ?? []).map((entry) => ({ text: `${t("commodity")}: ${entry.name}`, url: linkTo("/komoditas", { komoditas: entry.commodity }) })),
    ...(supported?.regions ?? []).map((entry) => ({ text: `${t("province")}: ${entry.name}`, url: linkTo("/komoditas", { ...known, prov: entry.name }) })),
  ];
  const found = matches(targets, words);
  const shown = (found.length ? found : targets).slice(0, MOST_SHOWN);
  return (
    <section class="card narrow" aria-labelledby="search">
      <p class="lead">{t(commodity ? "not_found_commodity" : "not_found_text", { path: name })}</p>
      <div class="fields">
        <label id="search">
          {t("search")}
          <input type="search" value={words} autoComplete="off" onInput={(event) => setWords(event.currentTarget.value)} />
        </label>
      </div>
      <p role="status">{t(found.length ? "search_found" : "search_nothing", { count: found.length })}</p>
      <ul>
        {shown.map(({ text, url }) => (
          <li key={url}>
            <a href={url}>{text}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
