"""From a message to its template: what is masked, what stays, which frames count."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .compiled_macros import evaluate, macros, templates

quick = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

DIGITS = st.text("0123456789", min_size=1, max_size=9)
HEX = st.text("0123456789abcdef", min_size=8, max_size=16)
LABEL = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
OCTET = st.integers(0, 255).map(str)
IP = st.tuples(OCTET, OCTET, OCTET, OCTET).map(".".join)
PORT = st.integers(10, 65_535).map(lambda n: f":{n}") | st.just("")
MOMENT = st.datetimes(min_value=datetime(2000, 1, 1))  # noqa: DTZ001
PATH = st.lists(LABEL, min_size=2, max_size=5).map(lambda parts: "/" + "/".join(parts))

VARIABLES = {
    "numbers": DIGITS,
    "hexadecimal numbers": HEX.map(lambda h: f"0x{h}"),
    "ids": st.uuids().map(str),
    "ids in capitals": st.uuids().map(lambda u: str(u).upper()),
    "identifiers with digits": st.tuples(DIGITS, DIGITS).map(lambda p: f"attempt_{p[0]}_{p[1]}"),
    "addresses": st.tuples(IP, PORT).map("".join),
    "hosts": st.tuples(LABEL, LABEL, PORT).map(lambda h: f"{h[0]}.{h[1]}.internal{h[2]}"),
    "mail addresses": st.tuples(LABEL, LABEL).map(lambda p: f"{p[0]}@{p[1]}.example"),
    "times": MOMENT.map(lambda m: m.strftime("%Y-%m-%dT%H:%M:%S"))
    | MOMENT.map(lambda m: m.strftime("%Y-%m-%d %H:%M:%S.%f")),
    "dates": MOMENT.map(lambda m: m.strftime("%Y-%m-%d")),
    "times of day": MOMENT.map(lambda m: m.strftime("%H:%M:%S")),
    "urls": st.tuples(LABEL, PATH, DIGITS).map(lambda u: f"https://{u[0]}.example{u[1]}?id={u[2]}&x=%20"),
    "paths": PATH,
    "paths on Windows": st.lists(LABEL, min_size=1, max_size=4).map(lambda parts: "C:\\" + "\\".join(parts))
    | st.tuples(LABEL, LABEL).map(lambda p: f"C:\\Program Files\\{p[0]} {p[1]}\\app.dll")
    | st.tuples(LABEL, LABEL).map(lambda p: f"\\\\{p[0]}\\share\\{p[1]}"),
    "dates in words": st.sampled_from(
        [
            "%b %d, %Y",
            "%d %B %Y",
            "%a, %d %b %Y %H:%M:%S GMT",
            "%a %b %d %H:%M:%S %Y",
            "%d/%b/%Y:%H:%M:%S +0200",
        ]
    ).flatmap(lambda form: MOMENT.map(lambda m: m.strftime(form))),
    "times with AM or PM": MOMENT.map(lambda m: m.strftime("%I:%M %p")),
    "numbers of any locale": st.sampled_from(
        ["1,234.56", "1.234,56", "1\u2019234", "1\u202f234,5", "12,5", "-3", "1e-7", "1.5.2-rc1"]
    ),
    "lists of numbers": st.lists(DIGITS, min_size=1, max_size=5).map(", ".join),
    "internet addresses of version 6": st.ip_addresses(v=6)
    .map(str)
    .filter(lambda a: any(c.isdigit() for c in a.rpartition("::")[2])),
    "hardware addresses": st.lists(st.integers(0, 255), min_size=6, max_size=6).map(
        lambda m: ":".join(f"{b:02x}" for b in m)
    ),
    "tokens": st.tuples(HEX, HEX).map(lambda p: f"eyJ{p[0]}.{p[1]}.{p[0]}"),
    "base64": st.binary(min_size=16, max_size=40)
    .filter(lambda b: len(b) % 3)
    .map(lambda b: base64.b64encode(b).decode())
    .filter(lambda t: "/" not in t),
    "pods": st.tuples(LABEL, DIGITS, LABEL).map(lambda p: f"{p[0]}-{p[1]}d9f-{p[2]}"),
    "packages of Windows": LABEL.map(lambda w: f"Package-{w}~31bf3856ad364e35~amd64~~6.1.1.2"),
    "hosts with a country": st.tuples(LABEL, LABEL, PORT).map(lambda h: f"{h[0]}.{h[1]}.co.uk{h[2]}"),
}


@settings(quick, phases=[Phase.explicit, Phase.generate])  # to shrink so many values would take minutes
@given(
    st.fixed_dictionaries(
        {kind: st.lists(values, min_size=2, max_size=20) for kind, values in VARIABLES.items()}
    )
)
def test_what_varies_in_a_message_does_not_change_its_template(values):
    """All kinds in one question: a question costs more than its rows."""
    asked = [(kind, f"The basket of {value} was not saved") for kind in values for value in values[kind]]
    found = {kind: set() for kind in values}
    for (kind, _), template in zip(asked, templates([message for _, message in asked]), strict=True):
        found[kind].add(template)
    assert not {kind: templates for kind, templates in found.items() if len(templates) > 1}
    for (template,) in found.values():
        assert re.fullmatch(r"The basket of <[a-z]+> was not saved", template)


@quick
@given(st.lists(st.text(max_size=300), min_size=1, max_size=30), st.randoms())
def test_a_template_depends_on_nothing_but_its_message(messages, draw):
    """Whatever the text: other scripts, control characters, emoji, quotes, back-references, in any order, repeatedly."""
    shuffled = [*messages, *messages]
    draw.shuffle(shuffled)
    expected = dict(zip(messages, templates(messages), strict=True))
    assert templates(shuffled) == [expected[message] for message in shuffled]


@quick
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), min_size=1, max_size=30))
def test_no_digit_is_left_in_a_template(messages):
    assert not [template for template in templates(messages) if re.search("[0-9]", template)]


@quick
@given(
    st.lists(
        st.text("ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12), min_size=1, max_size=12
    )
)
def test_words_stay_as_they_are(words):
    message = " ".join(words)
    assert templates([message]) == [message]


def test_what_only_looks_like_a_date_a_path_or_an_address_stays():
    kept = [
        "Market closed, Separator lost, Decoder unhappy, Maybe later",
        "std::deque in ns::b::c",
        "expected / actual",
        "TESTING at noon",
    ]
    assert templates(kept) == kept
    assert templates(["10:00:00 TEST FAILED"]) == ["<time> TEST FAILED"]


@pytest.mark.parametrize(
    "text",
    [
        "$1 \\1 \\\\ %s {0}",
        'it\'s "quoted" ✓ 🚪',
        "\uff11\uff12 \u0663\u0664",
        "a\u2028b\u0085c\u00a0d",
        "\x00\x01",
    ],
)
def test_hostile_text_is_only_text(text):
    (template,) = templates([text])
    assert template.count("<n>") == len(re.findall("[0-9]+", text))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "   \r\n ",
        "...",
        "Traceback (most recent call last):",
        'Traceback (most recent call last):\n  File "/b/test_cart.py", line 3, in test_add\n    cart.add()',
    ],
)
def test_a_message_that_was_cut_off_before_it_said_anything_has_no_template(message):
    assert templates([message]) == [""]


def test_line_ends_do_not_matter():
    unix = "Expected condition failed\n\tat com.acme.Cart.add(Cart.java:12)"
    assert len(set(templates([unix, unix.replace("\n", "\r\n"), unix.replace("\n", "\r")]))) == 1


TRACES = {
    "java": (
        "java.lang.AssertionError: total is 12.50\n"
        "\tat org.junit.Assert.fail(Assert.java:89)\n"
        "\tat com.acme.cart.Totals.check(Totals.java:41)\n"
        "\tat com.acme.cart.CartTest.adds(CartTest.java:7)\n"
        "\tat java.base/java.lang.reflect.Method.invoke(Method.java:566)\n"
        "Caused by: java.net.SocketException: Connection reset\n"
        "\tat com.acme.Http.get(Http.java:9)\n"
        "\tat com.acme.Http.retry(Http.java:10)\n"
        "\t... 23 more",
        "java.lang.AssertionError: total is <n> Caused by: java.net.SocketException: Connection reset\n"
        "com.acme.cart.Totals.check(Totals.java:<n>)\n"
        "com.acme.cart.CartTest.adds(CartTest.java:<n>)\n"
        "com.acme.Http.get(Http.java:<n>)",
    ),
    "selenium": (
        "org.openqa.selenium.NoSuchElementException: no such element: #pay\n"
        "Build info: version: '3.141.59', revision: 'e82be7d358'\n"
        "System info: host: 'ci-agent-75', ip: '10.1.161.158'\n"
        "\tat io.appium.java_client.remote.AppiumCommandExecutor.execute(AppiumCommandExecutor.java:343)\n"
        "\tat com.acme.Pay.tap(Pay.java:34)",
        "org.openqa.selenium.NoSuchElementException: no such element: #pay\ncom.acme.Pay.tap(Pay.java:<n>)",
    ),
    "python": (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.9/site-packages/_pytest/runner.py", line 311, in from_call\n'
        "    result = func()\n"
        '  File "/builds/812/shop/test_cart.py", line 8, in test_adds\n'
        "    cart.add('kettle')\n"
        '  File "/builds/812/shop/cart.py", line 31, in add\n'
        "    raise ValueError(count)\n"
        "ValueError: 3 is too many",
        'ValueError: <n> is too many\ncart.py", line <n>, in add\ntest_cart.py", line <n>, in test_adds',
    ),
    "javascript": (
        "AssertionError [ERR_ASSERTION]: 3 == 4\n"
        "    at CartSpec.adds (/home/ci/workspace/581/src/cart/CartSpec.js:247:37)\n"
        "    at Context.<anonymous> (/home/ci/workspace/581/node_modules/mocha/lib/runnable.js:195:9)\n"
        "    at processTicksAndRejections (node:internal/process/task_queues:95:5)",
        "AssertionError [ERR_ASSERTION]: <n> == <n>\nCartSpec.adds (CartSpec.js:<n>:<n>)",
    ),
    "c sharp": (
        "NUnit.Framework.AssertionException :   Expected: True\n"
        "   at NUnit.Framework.Assert.That(Boolean condition)\n"
        "   at Acme.Cart.CartTests.Adds() in C:\\agent\\_work\\26\\s\\Cart\\CartTests.cs:line 178",
        "NUnit.Framework.AssertionException : Expected: True\nAcme.Cart.CartTests.Adds() in CartTests.cs:line <n>",
    ),
    "swift": (
        "CartBadge.swift:133: error: XCTAssertEqual failed\n"
        "0   CartUITests   0x000000db470a389f CartBadge.readCount() + 307\n"
        "1   XCTest   0x0000001f9d1d9da9 -[XCTestCase invokeTest] + 1068",
        "CartBadge.swift:<n>: error: XCTAssertEqual failed\nCartBadge.readCount() + <n>",
    ),
    "xcuitest": (
        "t =    69.26s Assertion Failure: Gate.swift:169: Face ID sheet did not appear\n"
        "    t =    69.56s Tear Down\n"
        "    -[LoginUITests.Gate expectPrompt]\n"
        "    __XCUIApplicationInvokeTest_block_invoke + 344",
        "t = <n> Assertion Failure: Gate.swift:<n>: Face ID sheet did not appear\nLoginUITests.Gate expectPrompt]",
    ),
    "page dump": (
        "Element is not on the page\nPage source:\n<hierarchy rotation=\"0\">\n\t<node text=\"Weiter\"/>\n</hierarchy>",
        "Element is not on the page",
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", TRACES)
def test_the_first_three_frames_outside_known_frameworks_are_kept(language):
    message, expected = TRACES[language]
    assert templates([message]) == [expected]


def test_other_lines_and_folders_are_the_same_failure_and_another_frame_is_another():
    first = "AssertionError: not saved\n    at Cart.save (/home/ci/1/Cart.js:24:3)\n    at Spec.run (/home/ci/1/Spec.js:9:1)"
    moved = first.replace("/home/ci/1/", "/builds/27/w/").replace(":24:3", ":31:7")
    elsewhere = first.replace("Cart.save", "Cart.load")
    one, same, other = templates([first, moved, elsewhere])
    assert one == same != other


def test_the_algorithms_version_is_in_the_id():
    rows = pa.table({"template": ["no such element"], "version": ["7"]})
    assert evaluate(macros()["failure_id"], rows) == [hashlib.md5(b"7\nno such element").hexdigest()]  # noqa: S324
