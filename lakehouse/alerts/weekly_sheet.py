"""The Monday sheet as a message: the index of a week, for the nation and a person's provinces."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.alerts.messages import day_text, signed
from lakehouse.alerts.notices import Notice
from lakehouse.reference import DEFAULT_TIMEZONE, commodities
from lakehouse.translation import Language

SHEET_COLUMNS = (
    "week",
    "week_end",
    "is_complete",
    "last_day",
    "region_code",
    "region",
    "index_pct",
    "rank",
    "regions",
    "items",
    "up",
    "down",
    "stable",
    "bps_index_pct",
)
SHEET_AT = time(6)  # of Mondays in Jakarta
NATION = "ID"
MOST_NAMED = 3  # provinces with the highest and the lowest index
PAGE = "/iph"  # `?per=` chooses the week of a day
SUBJECT: dict[Language, str] = {
    "en": "Monday sheet: {region} {index} %, week of {week} to {week_end}",
    "id": "Lembar Senin: {region} {index} %, pekan {week} sampai {week_end}",
}
SENTENCE: dict[Language, str] = {
    "en": "{region}: {index} % against the mean of the month before; commodities: {up} up, {down} down, "
    "{stable} stable.",
    "id": "{region}: {index} % dibanding rata-rata bulan sebelumnya; komoditas: {up} naik, {down} turun, "
    "{stable} stabil.",
}
PLACE: dict[Language, str] = {
    "en": "Place {rank} of {regions} provinces, counted from the largest rise.",
    "id": "Peringkat {rank} dari {regions} provinsi, dihitung dari kenaikan tertinggi.",
}
BPS: dict[Language, str] = {"en": "BPS' own IPH: {index} %.", "id": "IPH dari BPS: {index} %."}
HIGHEST: dict[Language, str] = {"en": "Highest: {names}.", "id": "Tertinggi: {names}."}
LOWEST: dict[Language, str] = {"en": "Lowest: {names}.", "id": "Terendah: {names}."}
CONTRIBUTIONS: dict[Language, str] = {"en": "Contributions in {region}:", "id": "Andil di {region}:"}
RUNS: dict[Language, str] = {
    "en": "Not all days of the week have prices: the newest are of {day}.",
    "id": "Belum semua hari pekan ini memiliki harga: yang terbaru dari {day}.",
}
STYLE: dict[Language, str] = {
    "en": "Lumbung computes this index in the style of BPS' IPH; it is not the IPH of BPS.",
    "id": "Indeks ini dihitung Lumbung dengan gaya IPH BPS; bukan IPH BPS.",
}


def sheet_week(now: datetime) -> date | None:
    """The Monday of the week that ended yesterday, on Mondays from 06:00 in Jakarta; else None."""
    local = now.astimezone(ZoneInfo(DEFAULT_TIMEZONE))
    is_time = local.weekday() == 0 and local.time() >= SHEET_AT
    return local.date() - timedelta(days=7) if is_time else None


def weekly_sheet(
    rows: Sequence[Mapping[str, Any]], regions: Collection[str] | None, language: Language
) -> Notice | None:
    """The sheet of a week for a person; None while the nation has no index.

    `rows`: those of gold.weekly_index of the week. `regions`: codes of provinces that the person has chosen.
    """
    by_code = {row["region_code"]: row for row in rows if row["index_pct"] is not None}
    nation = by_code.pop(NATION, None)
    if nation is None:
        return None
    own = [by_code[code] for code in sorted(regions or ()) if code in by_code]
    ranked = sorted(by_code.values(), key=lambda row: (row["rank"], row["region"]))
    newest = day_text(nation["last_day"], language)
    lines = [] if nation["is_complete"] else [RUNS[language].format(day=newest)]
    lines += [
        *_about(nation, language),
        HIGHEST[language].format(names=_named(ranked[:MOST_NAMED], language)),
        LOWEST[language].format(names=_named(ranked[::-1][:MOST_NAMED], language)),
        *(line for row in own for line in ("", *_about(row, language))),
        *(line for row in (nation, *own) for line in ("", *_contributions(row, language))),
        "",
        STYLE[language],
    ]
    return Notice(
        f"weekly-sheet-{nation['week']}",
        "sheet",
        "info",
        SUBJECT[language].format(**_values(nation, language)),
        "\n".join(lines),
        is_urgent=False,
        page=f"{PAGE}?per={nation['week_end']}",
        language=language,
    )


def _values(row: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """What texts about the index of a region name."""
    days = {name: day_text(row[name], language) for name in ("week", "week_end")}
    return {**row, **days, "index": signed(row["index_pct"], language)}


def _about(row: Mapping[str, Any], language: Language) -> list[str]:
    """The sentences that are read out about a region."""
    values = _values(row, language)
    lines = [SENTENCE[language].format(**values)]
    if row["rank"] is not None:
        lines.append(PLACE[language].format(**values))
    if row["bps_index_pct"] is not None:
        lines.append(BPS[language].format(index=signed(row["bps_index_pct"], language)))
    return lines


def _named(rows: Sequence[Mapping[str, Any]], language: Language) -> str:
    return ", ".join(f"{row['region']} {signed(row['index_pct'], language)} %" for row in rows)


def _contributions(row: Mapping[str, Any], language: Language) -> list[str]:
    """A line for each commodity with a contribution, the largest first."""
    known = [item for item in row["items"] if item["contribution_pct"] is not None]
    known.sort(key=lambda item: -item["contribution_pct"])
    lines = [
        f"{signed(item['contribution_pct'], language)}  {commodities()[item['commodity']].name}"
        for item in known
    ]
    return [CONTRIBUTIONS[language].format(region=row["region"]), *lines]
