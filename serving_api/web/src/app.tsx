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
import { EMBEDDED, ENTRIES, METHOD_PAGE, PAGES, SIGN_IN, type Entry } from "./entries.ts";
import { lang, ready, setLanguage, t } from "./i18n/index.ts";
import { Home } from "./pages/Home.tsx";
import { address, useFeed } from "./data/feed.ts";
import { link, startLive } from "./data/live.ts";
import { mayAs, resume, role, signOut } from "./data/session.ts";
import { linkTo, param, path, setParams, startRouter } from "./router.ts";
import { theme, turnTheme } from "./theme.ts";
import { BalanceBanner, LinkBanner } from "./ui/Connection.tsx";
import { SignInLink } from "./ui/Panel.tsx";
import { showHiddenCharacters } from "./ui/everyText.ts";

/** How soon the first listing or bar brings its entries. */
const NAMES_MS = 60_000;
const SUN = "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2";

/** For every other address: the server answers 404 with this page. */
const NOT_FOUND: Entry = { path: "", title: "not_found", icon: "", load: async () => (await import("./pages/NotFound.tsx")).NotFound };

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
  const isOfUse = ({ needs, role: least, path: own }: Entry) => own === path.value || ((!needs || (known?.[needs].length ?? 0) > 0) && (!least || mayAs(least)));
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
    void setLanguage(other);
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
  const isEmbedded = path.value === EMBEDDED.path && param("embed") === "1";
  const entry = isEmbedded ? EMBEDDED : (PAGES.find((candidate) => candidate.path === path.value) ?? NOT_FOUND);
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
  const content = Shown ? <Shown key={lang.value} /> : <p role="status">{failed ? t("page_failed") : t("loading")}</p>;
  if (isEmbedded) return <main class="embedded">{content}</main>;
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
        <main id="main" tabIndex={-1} class={link.value.state === "lost" ? "greyed" : undefined}>
          {content}
        </main>
        <footer>
          {t("footer")} <a href={linkTo(METHOD_PAGE.path)}>{t("method")}</a> · <a href="/docs">API</a> · <a href="/assets/licenses.txt">{t("licences")}</a>
        </footer>
      </div>
    </>
  );
}

showHiddenCharacters();
resume();
startLive();
startRouter(PAGES.map((entry) => entry.path));
void ready.finally(() => render(<App />, document.getElementById("app")!));
