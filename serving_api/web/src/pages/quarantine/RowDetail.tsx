/** One row: sentence, axis of money, evidence, exact bytes, earlier decisions. */
import type { ComponentChildren } from "preact";
import { address, useFeed, type Feed } from "../../data/feed.ts";
import type { Evidence, QuarantineItem } from "../../data/types.ts";
import { day, moment, figure, rupiah } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { Panel } from "../../ui/Panel.tsx";
import { useZones } from "../../ui/controls.tsx";
import type { Held } from "./hold.ts";
import { MoneyAxis } from "./MoneyAxis.tsx";
import { measuresOf, messageOf, placeOf, ruleName, sentenceOf, statisticName, titleOf, valueOf } from "./words.ts";

const EARLIER = 6;
const SQL = "select event_id, kind, market_id, commodity, reasons, evidence, quarantined_at from silver.quarantine order by quarantined_at desc limit 20";

function Measures({ evidence }: { evidence: Evidence }) {
  const measures = measuresOf(evidence);
  if (!measures.length) return null;
  return (
    <div>
      <h3 id="measures">{t("evidence")}</h3>
      <table aria-labelledby="measures">
        <thead>
          <tr>
            <th scope="col">{t("measure")}</th>
            <th scope="col" class="num">
              {t("value")}
            </th>
            <th scope="col" class="num">
              {t("limit")}
            </th>
          </tr>
        </thead>
        <tbody>
          {measures.map(({ name, value, limit, over }) => (
            <tr key={name}>
              <th scope="row">{statisticName(name)}</th>
              <td class={`num ${over ? "over" : ""}`}>
                {over && <span aria-hidden="true">▲ </span>}
                {figure(value)}
                {over && <span class="hidden"> {t("over_limit")}</span>}
              </td>
              <td class="num">{figure(limit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Neighbours({ evidence }: { evidence: Evidence }) {
  if (!evidence.neighbours?.length) return null;
  return (
    <div>
      <h3 id="neighbours">{t("axis_neighbours")}</h3>
      <table aria-labelledby="neighbours">
        <tbody>
          {evidence.neighbours.map((near) => (
            <tr key={near.market_id}>
              <th scope="row">
                {near.market_name ?? near.market_id}
                {near.region && near.region !== near.market_name && <small class="dim"> {near.region}</small>}
              </th>
              <td class="num">{rupiah(near.price_idr)}</td>
              <td class="num dim">{day(near.market_date)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What was decided about earlier rows of the same market, or of the same sender. */
function Earlier({ item }: { item: QuarantineItem }) {
  const query = item.market_id ? { market_id: item.market_id } : { source: item.source.slice(0, 100) };
  const feed = useFeed(address("/api/v1/quarantine", { ...query, from: "2000-01-01", limit: 50 }), 120_000);
  const zoneOf = useZones();
  const rows = (feed.body?.items ?? []).filter((row) => row.state !== "open" && row.event_id !== item.event_id).slice(0, EARLIER);
  return (
    <div>
      <h3>{t("earlier", { place: placeOf(item) })}</h3>
      {rows.length === 0 && <p class="note">{feed.body ? t("earlier_none") : t("loading")}</p>}
      <ul class="plain">
        {rows.map((row) => (
          <li key={`${row.event_id}${row.generation}`}>
            <b>{t(`state_${row.state}`)}</b> {titleOf(row)} {valueOf(row)} <small class="dim">{moment(row.quarantined_at, zoneOf(row.subject?.region))}</small>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Facts({ item, children }: { item: QuarantineItem; children: ComponentChildren }) {
  const zoneOf = useZones();
  return (
    <>
      <p class="lead">{sentenceOf(item)}</p>
      <ul class="reasons">
        {item.reasons.map((reason) => (
          <li key={reason.rule} class={reason.severity}>
            {reason.severity === "warn" && <span class="dim">{t("warning")} </span>}
            <b>{ruleName(reason.rule, "")}</b> {reason.message !== reason.rule && messageOf(reason)}
          </li>
        ))}
      </ul>
      {item.evidence && <MoneyAxis evidence={item.evidence} />}
      {children}
      <div class="halves">
        {item.evidence && <Measures evidence={item.evidence} />}
        {item.evidence && <Neighbours evidence={item.evidence} />}
        <div>
          <h3>{t("payload")}</h3>
          <pre tabIndex={0}>{item.payload === null ? `base64: ${item.payload_base64}` : item.payload}</pre>
          <p class="note">
            {item.source} · {moment(item.received_at, zoneOf(item.subject?.region))}
          </p>
        </div>
        <Earlier item={item} />
      </div>
    </>
  );
}

interface Props {
  feed: Feed<QuarantineItem>;
  held: Held | null;
  form: (item: QuarantineItem) => ComponentChildren;
}
export function RowDetail({ feed, held, form }: Props) {
  const item = feed.body;
  const zoneOf = useZones();
  return (
    <Panel title={item ? `${titleOf(item)} · ${placeOf(item)}` : t("queue_row")} feed={feed} class="detail" needs="operator" sql={SQL}>
      {(body) => (
        <>
          {held && (
            <p class="stale" role="status">
              {t("held_by", { by: held.by, until: moment(held.until, zoneOf(body.subject?.region)) })}
            </p>
          )}
          {body.state !== "open" && (
            <p class="stale" role="status">
              {t("queue_closed", { state: t(`state_${body.state}`), by: body.decisions[0]?.decided_by ?? "–" })}
            </p>
          )}
          <Facts item={body}>{body.state === "open" && form(body)}</Facts>
        </>
      )}
    </Panel>
  );
}
