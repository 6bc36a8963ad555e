/** How every figure is computed: what it is, its formula in words, its tables, its limits. */
import { useEffect } from "preact/hooks";
import { lang, t, type Lang } from "../i18n/index.ts";
import english from "../methods/en.json" with { type: "json" };
import indonesian from "../methods/id.json" with { type: "json" };
import { METHODS, type MethodId } from "../ui/method.ts";

interface Section {
  title: string;
  what: string;
  how: string[];
  source: string[];
  limits: string[];
}
const TEXTS: Record<Lang, Record<MethodId, Section>> = { id: indonesian, en: english };

export function Methods() {
  const sections = METHODS.map((id) => ({ id, ...TEXTS[lang.value][id] }));
  useEffect(() => {
    // The sections came after the address was opened.
    const section = document.getElementById(location.hash.slice(1));
    section?.scrollIntoView();
    section?.focus({ preventScroll: true });
  }, []);
  return (
    <div class="methods">
      <p class="lead">{t("method_lead")}</p>
      <div class="card" role="navigation" aria-label={t("method_contents")}>
        <ol>
          {sections.map(({ id, title }) => (
            <li key={id}>
              <a href={`#${id}`}>{title}</a>
            </li>
          ))}
        </ol>
      </div>
      {sections.map(({ id, title, what, how, source, limits }) => (
        <section key={id} id={id} class="card" tabIndex={-1} aria-labelledby={`${id}-title`}>
          <h2 id={`${id}-title`}>{title}</h2>
          <p>{what}</p>
          <h3>{t("method_how")}</h3>
          <ul>
            {how.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
          <h3>{t("method_limits")}</h3>
          <ul>
            {limits.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
          <p class="note">
            {t("method_source")}{" "}
            {source.map((table, nth) => (
              <span key={table}>
                {nth > 0 && ", "}
                <code>{table}</code>
              </span>
            ))}
            {". "}
            <a href="/docs-md/reference/tables.md">{t("method_contracts")}</a>
          </p>
        </section>
      ))}
    </div>
  );
}
