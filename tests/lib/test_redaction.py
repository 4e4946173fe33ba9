"""What must not land is gone however it is written, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.lib.redaction import Redaction

REDACTION = Redaction("imei", "imsi", "phoneNumber", "wifiMacAddress", "securityToken")
CANARY = "CANARY4711"


def cut(*records: bytes) -> list[bytes | None]:
    return REDACTION.records(records)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"imei":"CANARY4711"}', b"{}"),
        (b'{"a" : 1 , "imei" : "CANARY4711" , "b" : 1.50}', b'{"a" : 1  , "b" : 1.50}'),
        (b'{ "imei":"CANARY4711", "imsi":4711, "a":1}', b'{"a":1}'),
        (b'{"a":1,"phoneNumber":"CANARY\\"4711","wifiMacAddress":null}', b'{"a":1}'),
        (b'{"a": 1.50,"IMEI":"CANARY4711","Imsi" : 4711}', b'{"a": 1.50}'),
        (b'{"imei":"signature=CANARY4711","phonenumber":"x?token=y"}', b"{}"),
        (b'{"u":"x?Sig=CANARY4711token=CANARY4711&design=2"}', b'{"u":"x?&design=2"}'),
        (b'{"u":"https://x/a?fileName=b.mp4&signature=CANARY4711"}', b'{"u":"https://x/a?fileName=b.mp4&"}'),
        (
            b'{"u":"x?f\\u003db\\u0026signature\\u003dCANARY4711\\u0026y\\u003d1"}',
            b'{"u":"x?f\\u003db\\u0026\\u0026y\\u003d1"}',
        ),
        (b'{"u":"x?signature=CANARY4711\\u003d\\u003d&y=1"}', b'{"u":"x?&y=1"}'),
        (b'{"u":"x?X-Amz-Signature=CANARY4711#top"}', b'{"u":"x?X-Amz-#top"}'),
        (b'{"u":"x?securityToken=CANARY4711&access_token=CANARY4711"}', b'{"u":"x?&"}'),
        (b'{"u":"x?a=https%3A%2F%2Fy%3Fsignature%3DCANARY4711"}', b'{"u":"x?a=https%3A%2F%2Fy%3F"}'),
        (b'{"u":"http:\\/\\/x?signature=CANARY\\/4711","b":2}', b'{"u":"http:\\/\\/x?","b":2}'),
        (b'{"u":["x?signature=CANARY4711","y?signature=CANARY4711"]}', b'{"u":["x?","y?"]}'),
    ],
)
def test_plain_cases_are_cut_in_the_text_and_the_rest_stays_as_it_was_written(
    before: bytes, after: bytes
) -> None:
    assert cut(before) == [after]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"\\u0069mei":"CANARY4711","a":1}', {"a": 1}),
        (b'{"imei":{"deep":["CANARY4711"]},"a":1}', {"a": 1}),
        (b'{"imei":["CANARY4711"]}', {}),
        (
            b'{"p":[{"name":"securityToken","value":"CANARY4711"}]}',
            {"p": [{"name": "securityToken", "value": None}]},
        ),
        (b'{"u":"x?si\\u0067nature=CANARY4711&y=1"}', {"u": "x?&y=1"}),
        (b'{"imei":"one","imei":"CANARY4711"}', {}),
        (b'{"x":{"imei":["CANARY4711"]},"x":1}', {"x": 1}),
        (b'{"c":{"perfecto:securityToken":"CANARY4711","perfecto:a":1}}', {"c": {"perfecto:a": 1}}),
        (
            b'{"c":[{"name":"perfecto:securityToken","value":"CANARY4711"}]}',
            {"c": [{"name": "perfecto:securityToken", "value": None}]},
        ),
        (b'{"internal":{"accessToken":"CANARY4711","refreshToken":["CANARY4711"]}}', {"internal": {}}),
    ],
)
def test_what_is_disguised_is_found_after_unescaping(before: bytes, after: dict[str, Any]) -> None:
    (record,) = cut(before)
    assert record is not None
    assert json.loads(record) == after


JSON_IN_TEXT = json.dumps({"securityToken": CANARY, "a": json.dumps({"imei": CANARY, "b": 1})})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JSON_IN_TEXT, '{"a":"{\\"b\\":1}"}'),
        (f"caps {JSON_IN_TEXT} sent", 'caps {"securityToken": null, "a": "{\\"imei\\": null, \\"b\\": 1}"} sent'),
        (f"{{'offlineToken': '{CANARY}', 'a': 1}}", "{'offlineToken': null, 'a': 1}"),
        (f'got {{"imei":{{"x":["{CANARY}"]}}}}', 'got {"imei":null'),
        (f'got {{"imei":"{CANARY} cut short', 'got {"imei":null'),
        (f'caps [{{"name":"securityToken","value":"{CANARY}"}}]', 'caps [{"name":"securityToken","value":null}]'),
        (f"securityToken: {CANARY}, retried", "securityToken: null, retried"),
        (f"securityToken => '{CANARY}'", "securityToken => null"),
        (f"Perfecto-Authorization: {CANARY}", "Perfecto-Authorization: null"),
        (f"Authorization: Basic {CANARY}\nAccept: */*", "Authorization: null\nAccept: */*"),
        (f"sent bearer {CANARY}; 401", "sent bearer; 401"),
        (f"as eyJ{CANARY}.{CANARY}.{CANARY}, 401", "as , 401"),
        (f'"log\\neyJ{CANARY}.{CANARY}.{CANARY}"', '"log\\n"'),
        (f"https://ann:{CANARY}@x/a and ftp://a@b.c:{CANARY}@{CANARY}@y", "https://x/a and ftp://y"),
        (f"https:\\/\\/ann:{CANARY}@x", "https:\\/\\/x"),
        (f"https://x?u=y%253Ftoken%253D{CANARY}&z=1", "https://x?u=y%253F&z=1"),
        (f"token%25253D{CANARY}", ""),
    ],
)  # fmt: skip
def test_what_a_text_says_of_a_secret_is_cut_and_its_words_stay(before: str, after: str) -> None:
    for record in (json.dumps({"m": before}), json.dumps({"m": before}).replace("e", "\\u0065")):
        (kept,) = cut(record.encode())
        assert kept is not None
        assert json.loads(kept) == {"m": after}


@pytest.mark.parametrize(
    "record",
    [
        b'{"a":"words about \\"imei\\" of it", "n":1e400, "b":[ ]}',
        b'{"a":"Bearer token expired", "b":"the bearer\\u0021", "tokenType" : "Bearer"}',
        b'{"a":"at KeyJoin.apply(a.b.c)", "b":"surveyJson.a.b"}',
        b'{"a":"https://x/a?to=ann@b.c:1 ann@b.c", "b":"at node_modules/@wdio/a.js:12 @b", "c":"//x:1/ @b"}',
        b'{"perfecto:imeiLike" : "a", "a":"imei", "b":["securityToken"], "c":"the securityToken, or not"}',
        b'{"a":"an authorization header", "b" : "no accessToken here"}',
        b'{"tags":["resignation","design=2"],"token":"a word"}',
        b'{"name":"signature capture works","a":"https://x/a?fileName=sig.png"}',
        b'{"m":"\xc3\xa9\xf0\x9f\x98\x80 \\ud83d\\ude00 \\n"}',
    ],
)
def test_what_only_looks_alike_is_left_alone_to_the_byte(record: bytes) -> None:
    assert cut(record) == [record]


def test_bytes_that_are_no_text_are_not_kept_and_leave_their_neighbours() -> None:
    good = b'{"imei":"CANARY4711","a":1}'
    assert cut(good, b'{"imei":"CANARY4711\xff"}', good) == [b'{"a":1}', None, b'{"a":1}']


def test_an_empty_page_stays_empty() -> None:
    assert cut() == []


_NAMES = st.sampled_from(
    [
        "imei",
        "Imsi",
        "phoneNumber",
        "wifiMacAddress",
        "securityToken",
        "perfecto:securityToken",
        "accessToken",
    ]
)
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
_URLS = st.builds(
    lambda name, tail: f"https://x/a?f=1&{name}={CANARY}{tail}",
    st.sampled_from(
        ["signature", "Signature", "securityToken", "token", "X-Amz-Security-Token", "sig", "password"]
    ),
    st.sampled_from(["", "&y=2", "==", "/+", "#z"]),
)
_TEXTS = st.builds(
    lambda before, form, after: f"{before}{form}{after}",
    st.sampled_from(["", " ", "log:\n", '"', "\\n"]),
    st.sampled_from(
        [
            f"Authorization: Bearer {CANARY}", f"bearer {CANARY}", f"eyJ{CANARY}.{CANARY}.{CANARY}",
            f"https://ann:{CANARY}@x", f"y%253Ftoken%253D{CANARY}", f"securityToken: {CANARY}",
            json.dumps({"perfecto:securityToken": CANARY}), json.dumps([{"name": "offlineToken", "value": CANARY}]),
            json.dumps({"a": json.dumps({"b": json.dumps({"accessToken": CANARY})})}),
        ]
    ),
    st.sampled_from(["", " ", "\n", '"', ", 401"]),
)  # fmt: skip
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT | _URLS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_SECRETS = st.sampled_from([CANARY, {"x": CANARY}, [CANARY, [CANARY]], {"imei": CANARY}])


def _written(draw: st.DrawFn, value: Any) -> str:
    """JSON text of the value with letters escaped, spaces and case as another writer might have them."""
    if isinstance(value, dict):
        pad = draw(st.sampled_from(["", " ", "\n  "]))
        members = [
            f"{pad}{_written(draw, key)}{pad}:{pad}{_written(draw, inner)}" for key, inner in value.items()
        ]
        return "{" + f"{pad},".join(members) + pad + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(draw, item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    style = draw(st.sampled_from(["plain", "ascii", "html", "all"]))
    if style == "all":
        return '"' + "".join(f"\\u{unit:04x}" for unit in _utf16(value)) + '"'
    text = json.dumps(value, ensure_ascii=style == "ascii")
    if style == "html":
        for character in "=&<>'":
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _utf16(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


@st.composite
def _hostile(draw: st.DrawFn) -> bytes:
    record = draw(st.dictionaries(_TEXT, _PLAIN, max_size=3))
    for name in draw(st.lists(_NAMES, max_size=3, unique=True)):
        record[name] = draw(_SECRETS)
    if draw(st.booleans()):
        record["criteria"] = [{"name": draw(_NAMES), "value": CANARY}]
    items = draw(st.permutations(list(record.items())))
    return _written(draw, {"platforms": [dict(items)]}).encode()


@given(st.lists(_hostile(), max_size=4))
def test_no_secret_survives_however_the_record_is_written(records: list[bytes]) -> None:
    kept = REDACTION.records(records)
    assert len(kept) == len(records)
    for record in kept:
        assert record is not None
        assert CANARY not in json.dumps(json.loads(record), ensure_ascii=False)


def _names_no_secret(record: dict[str, Any]) -> bool:
    text = json.dumps(record, ensure_ascii=False).lower()
    return not any(
        word.lower() in text
        for word in (CANARY, *REDACTION.names, "sig", "token", "passw", "authorization", "eyj", "bearer", "@")
    )


@given(st.dictionaries(_TEXT, _PLAIN, max_size=4).filter(_names_no_secret))
@example({"design": "a=b&c=d", "path": r"C:\u0061"})
def test_a_record_without_secrets_says_the_same_afterwards(record: dict[str, Any]) -> None:
    (kept,) = REDACTION.records([json.dumps(record).encode()])
    assert kept is not None
    assert json.loads(kept) == record
