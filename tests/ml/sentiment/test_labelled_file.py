"""Labelled files of many shapes are read alike, and unusable ones are refused with a reason."""

from datetime import date
from pathlib import Path

import pytest

from ml.data.panel import NothingToLearn
from ml.sentiment.labelled_file import read_labelled

PRAISE = "harga murah dan enak sekali"
BLAME = "mahal, lambat dan mengecewakan"
PLAIN = "toko buka pukul delapan"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f'judul,sentimen\n"{PRAISE}",positif\n"{BLAME}",Negatif\n"{PLAIN}",NETRAL\n'),
        ("b.tsv", f"{PRAISE}\tpositive\n{BLAME}\tnegative\n{PLAIN}\tneutral\n"),
        ("c.csv", f"id;Text;Label\n1;{PRAISE};1\n2;{BLAME};-1\n3;{PLAIN};0\n"),
        ("d.csv", f'label,tweet\n2,{PRAISE}\n0,"{BLAME}"\n1,{PLAIN}\n'),
        ("e.tsv", f"kelas\tulasan\n0\t{PRAISE}\n2\t{BLAME}\n1\t{PLAIN}\n"),
        (
            "g.tsv",
            f'\ufeff"Kelas"\t"ULASAN"\n"baik"\t"{PRAISE}"\n\t\n"Buruk"\t"{BLAME}"\n\n"biasa"\t"{PLAIN}"\n',
        ),
        ("h.tsv", f"2\t{PRAISE}\r\n0\t{BLAME}\r\n1\t{PLAIN}\r\n"),
        ("i.csv", f'\ufeffsentiment,"comment"\n"GOOD","{PRAISE}"\n,\n"bad","{BLAME}"\n"neu",{PLAIN}\n'),
        ("f.csv", f'﻿content,polarity\n{PRAISE},1.0\n"{BLAME}",-1.0\n{PLAIN},0.0\n'),
    ],
)
def test_header_separator_and_labels_are_recognised(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    rows = read_labelled(file)
    assert rows.labels == ["positif", "negatif", "netral"]
    assert rows.texts == [PRAISE, BLAME, PLAIN]


def test_two_numbered_classes_and_dates_are_read(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text(f'date,review,target\n2024/01/31,{PRAISE},1\n31-12-2024,"{BLAME}",0\n,{PLAIN},0\n')
    rows = read_labelled(file)
    assert rows.labels == ["positif", "negatif", "negatif"]
    assert rows.days == [date(2024, 1, 31), date(2024, 12, 31), None]


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    lines = [f"{PRAISE} {number},positif" for number in range(60)] + ["teks,entah", ",negatif", "satu sel"]
    file = tmp_path / "some.csv"
    file.write_text("text,label\n" + "\n".join(lines))
    rows = read_labelled(file)
    assert len(rows.texts) == 60
    assert rows.notes == ["3 of 63 rows have no text or no known label"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column of labels"),
        (b"only one column\nwith text\n", "no column of labels"),
        (b"text,label\na,satu\nb,dua\nc,tiga\n", r"3 labels \('satu', 'dua', 'tiga'\)"),
        (b"text,label\n" + b"".join(b"t,%d\n" % stars for stars in range(1, 6)), "5 labels"),
        (b"\xff\xfe\x00text", "no UTF-8"),
        (b'text,label\n"never closed,positif\n' + b"x" * 200_000, "no column of labels"),
    ],
)
def test_unusable_file_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    with pytest.raises(NothingToLearn, match=reason):
        read_labelled(file)
