/** An address without a page: what was looked for is searched in pages, commodities and provinces. */
import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { t, type Key } from "../i18n/index.ts";
import { linkTo, path } from "../router.ts";
import { useSupported } from "../ui/controls.tsx";
import { matches, simple, type Target } from "./search.ts";

const MOST_SHOWN = 12;
/** The page, with the entries of the navigation as what can be found. */
export function NotFound(entries: { path: string; title: Key }[]): ComponentType {
  return () => {
    const supported = useSupported().body;
    const [words, setWords] = useState(() => simple(path.value));
    const targets: Target[] = [
      ...entries.map((entry) => ({ text: t(entry.title), url: linkTo(entry.path) })),
      ...(supported?.commodities ?? []).map((entry) => ({ text: `${t("commodity")}: ${entry.name}`, url: linkTo("/komoditas", { komoditas: entry.commodity }) })),
      ...(supported?.regions ?? []).map((entry) => ({ text: `${t("province")}: ${entry.name}`, url: linkTo("/komoditas", { prov: entry.name }) })),
    ];
    const found = matches(targets, words);
    const shown = (found.length ? found : targets).slice(0, MOST_SHOWN);
    return (
      <section class="card narrow" aria-labelledby="search">
        <p class="lead">{t("not_found_text", { path: path.value })}</p>
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
  };
}
