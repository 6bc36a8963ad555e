/** The shell: navigation, language, theme; each page is loaded when it is first opened. */
import { render, type ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
// Style sheets of lazy pages too: the build would not load theirs by itself.
import "leaflet/dist/leaflet.css";
import "uplot/dist/uPlot.min.css";
import "@fontsource-variable/plus-jakarta-sans/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/queue.css";
import { lang, setLanguage, t, type Key } from "./i18n/index.ts";
import { Home } from "./pages/Home.tsx";
import { address, useFeed } from "./data/feed.ts";
import { startLive } from "./data/live.ts";
import { resume, role, signOut } from "./data/session.ts";
import { linkTo, path, setParams, startRouter } from "./router.ts";
import { theme, turnTheme } from "./theme.ts";
import { BalanceBanner, LinkBanner } from "./ui/Connection.tsx";
import { SignInLink } from "./ui/Panel.tsx";
import { showHiddenCharacters } from "./ui/everyText.ts";

interface Entry {
  path: string;
  title: Key;
  icon: string;
  /** What has to be stored before the entry is of use. */
  needs?: "shops" | "symbols";
  load: () => Promise<ComponentType>;
}
const ENTRIES: Entry[] = [
  { path: "/", title: "nav_home", icon: "M3 10.5 12 3l9 7.5V20a1 1 0 0 1-1 1h-5v-6H9v6H4a1 1 0 0 1-1-1z", load: async () => Home },
  { path: "/komoditas", title: "nav_commodity", icon: "M3 17l5-6 4 4 6-8 3 3M3 21h18", load: async () => (await import("./pages/Commodity.tsx")).Commodity },
  { path: "/dashboard/map/", title: "nav_map", icon: "M9 4 3 6v14l6-2 6 2 6-2V4l-6 2zM9 4v14M15 6v14", load: async () => (await import("./pages/MapPage.tsx")).MapPage },
  { path: "/peringatan", title: "nav_alerts", icon: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4", load: async () => (await import("./pages/Alerts.tsx")).Alerts },
  { path: "/karantina", title: "nav_quarantine", icon: "M9 4h6v3H9zM9 5H5v16h14V5h-4M8.5 14l2.5 2.5 4.5-5", load: async () => (await import("./pages/Quarantine.tsx")).Quarantine },
  { path: "/prakiraan", title: "nav_forecasts", icon: "M3 18l6-7 4 3 3-4M16 10l5-6M16 10l5 1M16 10l5 7", load: async () => (await import("./pages/Forecasts.tsx")).Forecasts },
  { path: "/sales", needs: "shops", title: "nav_sales", icon: "M4 20V10h4v10M10 20V4h4v16M16 20v-7h4v7", load: async () => (await import("./pages/shop/Sales.tsx")).Sales },
  { path: "/pricing", needs: "shops", title: "nav_pricing", icon: "M3 12V4h8l10 10-8 8zM7.5 8.5h.01", load: async () => (await import("./pages/shop/Pricing.tsx")).Pricing },
  { path: "/customers", needs: "shops", title: "nav_customers", icon: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4 21a8 8 0 0 1 16 0", load: async () => (await import("./pages/shop/Customers.tsx")).Customers },
  { path: "/trades", needs: "symbols", title: "nav_trades", icon: "M6 3v4M6 14v5M4 7h4v7H4zM16 5v4M16 17v4M14 9h4v8h-4z", load: async () => (await import("./pages/trading/Trades.tsx")).Trades },
  { path: "/analytics", needs: "symbols", title: "nav_trading_analytics", icon: "M3 20h18M5 16l4-5 4 3 6-8M15 6h4v4", load: async () => (await import("./pages/trading/Analytics.tsx")).Analytics },
  { path: "/pipa-data", title: "nav_pipeline", icon: "M4 6h6v4H4zM14 14h6v4h-6zM7 10v6h7", load: async () => (await import("./pages/Pipeline.tsx")).Pipeline },
  { path: "/perangkat", title: "nav_devices", icon: "M8 3h8v18H8zM11 17h2M4 8a6 6 0 0 0 0 8M20 8a6 6 0 0 1 0 8", load: async () => (await import("./pages/Devices.tsx")).Devices },
  { path: "/pengembang", title: "nav_developers", icon: "M8 7l-5 5 5 5M16 7l5 5-5 5M14 4l-4 16", load: async () => (await import("./pages/Developers.tsx")).Developers },
];
/** How soon the first listing or bar brings its entries. */
const NAMES_MS = 60_000;
const SIGN_IN: Entry = { path: "/masuk", title: "sign_in", icon: "", load: async () => (await import("./pages/SignIn.tsx")).SignIn };
const SUN = "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2";

const PAGES = [...ENTRIES, SIGN_IN];
/** For every other address: the server answers 404 with this page. */
const NOT_FOUND: Entry = { path: "", title: "not_found", icon: "", load: async () => (await import("./pages/NotFound.tsx")).NotFound(ENTRIES) };

function Icon({ path: shape }: { path: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={shape} />
    </svg>
  );
}

function Navigation() {
  const bar = useRef<HTMLElement>(null);
  const known = useFeed(address("/api/v1/supported"), NAMES_MS).body;
  const isOfUse = ({ needs, path: own }: Entry) => !needs || own === path.value || (known?.[needs].length ?? 0) > 0;
  useEffect(() => {
    // On a phone not all entries are in sight.
    const host = bar.current!;
    const entry = host.querySelector<HTMLElement>("[aria-current]");
    if (entry) host.scrollLeft = entry.offsetLeft - (host.clientWidth - entry.offsetWidth) / 2;
  }, [path.value, known]);
  return (
    <nav ref={bar} aria-label="Lumbung">
      <a class="brand" href={linkTo("/")}>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M4 15 16 4l12 11-3 0v2H7v-2zM8 18h16l-2 10H10z" />
        </svg>
        <b>Lumbung</b>
      </a>
      <ul>
        {ENTRIES.filter(isOfUse).map((entry) => (
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

/** Who is signed in, or the way to it. */
function Account() {
  if (!role.value) return path.value === SIGN_IN.path ? null : <SignInLink class="ghost" />;
  return (
    <>
      <a class="chip" href={linkTo(SIGN_IN.path)}>
        {t(`role_${role.value}`)}
      </a>
      <button class="ghost" onClick={() => void signOut()}>
        {t("sign_out")}
      </button>
    </>
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
      <Account />
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
  const entry = PAGES.find((candidate) => candidate.path === path.value) ?? NOT_FOUND;
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
        <LinkBanner />
        <BalanceBanner />
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

showHiddenCharacters();
resume();
startLive();
startRouter(PAGES.map((entry) => entry.path));
render(<App />, document.getElementById("app")!);
