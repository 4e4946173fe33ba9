"""Stack traces as seven tool chains print them: the application's frames between those of the frameworks."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random


def _snake(word: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", word).lower()


def _number(rng: Random, most: int = 380) -> int:
    return int(rng.random() * most) + 12


def _java(text: str, frames: list[list[str]], rng: Random) -> str:
    lines = [
        text,
        "\tat java.base/jdk.internal.reflect.NativeConstructorAccessorImpl.newInstance(NativeConstructorAccessorImpl.java:62)",
        f"\tat org.openqa.selenium.remote.codec.w3c.W3CHttpResponseCodec.decode(W3CHttpResponseCodec.java:{_number(rng)})",
    ][: 1 + 2 * (rng.random() < 0.6)]
    lines += [f"\tat com.acme.{a}.{c}.{m}({c}.java:{_number(rng)})" for a, c, m in frames]
    lines += [
        "\tat java.base/java.lang.reflect.Method.invoke(Method.java:566)",
        f"\tat org.testng.internal.MethodInvocationHelper.invokeMethod(MethodInvocationHelper.java:{_number(rng)})",
        "\tat org.testng.internal.Invoker.invokeMethod(Invoker.java:598)",
        "\tat java.base/java.lang.Thread.run(Thread.java:829)",
    ]
    if rng.random() < 0.3:
        lines.append("\t... 23 more")
    return "\n".join(lines)


def _python(text: str, frames: list[list[str]], rng: Random) -> str:
    lines = [
        "Traceback (most recent call last):",
        f'  File "/usr/lib/python3.9/site-packages/_pytest/runner.py", line {_number(rng)}, in from_call',
        "    result: Optional[TResult] = func()",
    ]
    for area, owner, method in reversed(frames):
        lines += [
            f'  File "/builds/{int(rng.random() * 90_000)}/lab/{area}/{_snake(owner)}.py", line {_number(rng)}, '
            f"in {_snake(method)}",
            f"    self.{_snake(method)}()",
        ]
    if rng.random() < 0.6:
        lines += [
            '  File "/usr/lib/python3.9/site-packages/selenium/webdriver/remote/webdriver.py", line '
            f"{_number(rng)}, in execute",
            "    self.error_handler.check_response(response)",
        ]
    return "\n".join([*lines, text])


def _javascript(text: str, frames: list[list[str]], rng: Random) -> str:
    root = f"/home/ci/workspace/{int(rng.random() * 9000)}"
    lines = [text]
    if rng.random() < 0.5:
        lines.append(
            f"    at Object.throwDecodedError ({root}/node_modules/selenium-webdriver/lib/error.js:524:15)"
        )
    lines += [
        f"    at {c}.{m} ({root}/src/{a}/{c}.js:{_number(rng)}:{_number(rng, 60)})" for a, c, m in frames
    ]
    lines += [
        f"    at Context.<anonymous> ({root}/node_modules/mocha/lib/runnable.js:{_number(rng)}:9)",
        "    at processTicksAndRejections (node:internal/process/task_queues:95:5)",
    ]
    return "\n".join(lines)


def _swift(text: str, frames: list[list[str]], rng: Random) -> str:
    (_area, owner, _method), *_ = frames
    lines = [f"{owner}.swift:{_number(rng)}: error: {text}"]
    lines += [
        f"{i}   {a.capitalize()}UITests   0x{int(rng.random() * 2**40):016x} {c}.{m}() + {_number(rng)}"
        for i, (a, c, m) in enumerate(frames)
    ]
    lines.append(
        f"{len(frames)}   XCTest   0x{int(rng.random() * 2**40):016x} -[XCTestCase invokeTest] + 1068"
    )
    return "\n".join(lines)


def _csharp(text: str, frames: list[list[str]], rng: Random) -> str:
    lines = [text]
    if rng.random() < 0.6:
        lines.append(
            "   at OpenQA.Selenium.Remote.RemoteWebDriver.UnpackAndThrowOnError(Response errorResponse)"
        )
    lines += [
        f"   at Acme.{a.capitalize()}.{c}.{m[0].upper()}{m[1:]}() in C:\\agent\\_work\\{_number(rng, 60)}\\s\\"
        f"{a.capitalize()}\\{c}.cs:line {_number(rng)}"
        for a, c, m in frames
    ]
    lines.append(
        "   at NUnit.Framework.Internal.Commands.TestMethodCommand.Execute(TestExecutionContext context)"
    )
    return "\n".join(lines)


def _xcuitest(text: str, frames: list[list[str]], rng: Random) -> str:
    area, owner, method = frames[0]
    elapsed = rng.random() * 90
    return "\n".join(
        [
            f"t = {elapsed:8.2f}s Assertion Failure: {owner}.swift:{_number(rng)}: {text}",
            f"    t = {elapsed + 0.3:8.2f}s Tear Down",
            f"    -[{area.capitalize()}UITests.{owner} {method}]",
            *[f"    -[{a.capitalize()}UITests.{c} {m}]" for a, c, m in frames[1:]],
            f"    __XCUIApplicationInvokeTest_block_invoke + {_number(rng)}",
        ]
    )


def _appium(text: str, frames: list[list[str]], rng: Random) -> str:
    lines = [
        text,
        "Build info: version: '3.141.59', revision: 'e82be7d358', time: '2018-11-14T08:17:03'",
        f"System info: host: 'ci-agent-{_number(rng, 80)}', ip: '10.1.{_number(rng, 200)}.{_number(rng, 200)}', "
        "os.name: 'Linux', java.version: '11.0.20'",
        "Driver info: io.appium.java_client.android.AndroidDriver",
        f"\tat io.appium.java_client.remote.AppiumCommandExecutor.execute(AppiumCommandExecutor.java:{_number(rng)})",
    ]
    lines += [f"\tat com.acme.{a}.{c}.{m}({c}.java:{_number(rng)})" for a, c, m in frames]
    lines.append(f"\tat org.junit.runners.ParentRunner.runLeaf(ParentRunner.java:{_number(rng)})")
    return "\n".join(lines)


STYLES: dict[str, Callable[[str, list[list[str]], Random], str]] = {
    "java": _java,
    "python": _python,
    "javascript": _javascript,
    "swift": _swift,
    "csharp": _csharp,
    "xcuitest": _xcuitest,
    "appium": _appium,
}


def trace(style: str, text: str, frames: tuple[str, ...], test_frame: str, rng: Random) -> str:
    """`text` with the application's frames, innermost first, and the test's own frame below them."""
    return STYLES[style](text, [frame.split(".") for frame in (*frames, test_frame)], rng)
