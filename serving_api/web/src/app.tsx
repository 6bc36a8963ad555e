/** The shell: navigation, language, theme; each page is loaded when it is first opened. */
import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
// Style sheets of lazy pages too: the build would not load theirs by itself.
import "leaflet/dist/leaflet.css";
import "uplot/dist/uPlot.min.css";
import "@fontsource-variable/plus-jakarta-sans/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import { lang, setLanguage, t, type Key } from "./i18n/index.ts";
import { Home } from "./pages/Home.tsx";
import { linkTo, path, setParams, startRouter } from "./router.ts";
import { theme, turnTheme } from "./theme.ts";

interface Entry {
  path: string;
  title: Key;
  icon: string;
  load: () => Promise<ComponentType>;
}
const ENTRIES: Entry[] = [
  { path: "/", title: "nav_home", icon: "M3 10.5 12 3l9 7.5V20a1 1 0 0 1-1 1h-5v-6H9v6H4a1 1 0 0 1-1-1z", load: async () => Home },
  { path: "/komoditas", title: "nav_commodity", icon: "M3 17l5-6 4 4 6-8 3 3M3 21h18", load: async () => (await import("./pages/Commodity.tsx")).Commodity },
  { path: "/dashboard/map/", title: "nav_map", icon: "M9 4 3 6v14l6-2 6 2 6-2V4l-6 2zM9 4v14M15 6v14", load: async () => (await import("./pages/MapPage.tsx")).MapPage },
  { path: "/prakiraan", title: "nav_forecasts", icon: "M3 18l6-7 4 3 3-4M16 10l5-6M16 10l5 1M16 10l5 7", load: async () => (await import("./pages/Forecasts.tsx")).Forecasts },
  { path: "/pipa-data", title: "nav_pipeline", icon: "M4 6h6v4H4zM14 14h6v4h-6zM7 10v6h7", load: async () => (await import("./pages/Pipeline.tsx")).Pipeline },
  { path: "/pengembang", title: "nav_developers", icon: "M8 7l-5 5 5 5M16 7l5 5-5 5M14 4l-4 16", load: async () => (await import("./pages/Developers.tsx")).Developers },
];
const SUN = "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2";

function Icon({ path: shape }: { path: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={shape} />
    </svg>
  );
}

function Navigation() {
  return (
    <nav aria-label="Lumbung">
      <a class="brand" href={linkTo("/")}>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M4 15 16 4l12 11-3 0v2H7v-2zM8 18h16l-2 10H10z" />
        </svg>
        <b>Lumbung</b>
      </a>
      <ul>
        {ENTRIES.map((entry) => (
          <li key={entry.path}>
            <a href={linkTo(entry.path)} aria-current={entry.path === path.value ? "page" : undefined}>
              <Icon path={entry.icon} />
              <span>{t(entry.title)}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Tools() {
  const other = lang.value === "id" ? "en" : "id";
  const turnLanguage = () => {
    setLanguage(other);
    setParams({ lang: other === "id" ? null : other }, false);
  };
  return (
    <div class="tools noprint">
      <button class="ghost" lang={other} onClick={turnLanguage}>
        {other === "en" ? "English" : "Indonesia"}
      </button>
      <button class="ghost" aria-label={t("theme")} aria-pressed={theme.value === "dark"} onClick={turnTheme}>
        <Icon path={SUN} />
      </button>
    </div>
  );
}

function App() {
  const [loaded, setLoaded] = useState<Record<string, ComponentType>>({ "/": Home });
  const [failed, setFailed] = useState(false);
  const entry = ENTRIES.find((candidate) => candidate.path === path.value) ?? ENTRIES[0];
  const title = t(entry.title);
  useEffect(() => {
    document.documentElement.lang = lang.value;
    document.title = `${title} · Lumbung`;
  }, [title, lang.value]);
  useEffect(() => {
    setFailed(false);
    entry.load().then(
      (page) => setLoaded((pages) => ({ ...pages, [entry.path]: page })),
      () => setFailed(true),
    );
  }, [entry.path]);
  const Shown = loaded[entry.path];
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <Navigation />
      <div class="page">
        <header class="top">
          <h1>{title}</h1>
          <Tools />
        </header>
        <main id="main" tabIndex={-1}>
          {Shown ? <Shown key={lang.value} /> : <p role="status">{failed ? t("page_failed") : t("loading")}</p>}
        </main>
        <footer>
          {t("footer")} <a href="/docs">API</a> · <a href="/assets/licenses.txt">{t("licences")}</a>
        </footer>
      </div>
    </>
  );
}

startRouter(ENTRIES.map((entry) => entry.path));
render(<App />, document.getElementById("app")!);
