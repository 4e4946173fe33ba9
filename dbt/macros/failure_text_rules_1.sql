{# The rules of version 1, as they were: its ids are kept beside those of the newest version. Never changed. #}
{% macro failure_text_rules_1() %}
    {% set framework_lines = [
        "\\n[ \\t]+at (app//)?(java|javax|jdk|sun|com[.]sun|kotlin|kotlinx|scala|groovy|android|androidx|dalvik|com[.]android[.]internal|org[.](junit|testng|openqa|apache|gradle|hamcrest|assertj|mockito|codehaus|jetbrains|eclipse|springframework)|io[.](appium|cucumber|netty|qameta)|cucumber|net[.]bytebuddy|com[.](intellij|google[.]common|perfecto)|okhttp3|retrofit2|reactor|System|Microsoft|NUnit|Xunit|OpenQA|Xamarin|TechTalk|FluentAssertions)[./][^\\n]*",
        "\\n[ \\t]+at [^\\n]*(node_modules|node:internal|internal/|<anonymous>:|native code|appium)[^\\n]*",
        "\\n[ \\t]*File \"[^\"\\n]*(site-packages|dist-packages|/lib/python|/unittest/|<frozen)[^\"\\n]*\", line [0-9]+[^\\n]*(\\n    [^\\n]*){0,2}",
        "\\n[ \\t]*[0-9]+ +(CoreFoundation|Foundation|UIKit|UIKitCore|XCT[A-Za-z]*|XCUI[A-Za-z]*|GraphicsServices|dyld|lib[A-Za-z_.+-]*|[?][?][?]) +0x[0-9a-fA-F]+[^\\n]*",
        "\\n[ \\t]+(t = +[0-9.]+s |__XC)[^\\n]*",
        "\\n[ \\t]*#[0-9]+ 0x[0-9a-fA-F]+ <unknown>[^\\n]*",
        "\\n[ \\t]*[.][.][.] [0-9]+ (more|common frames omitted|collapsed)[^\\n]*",
        "\\nTraceback [(]most recent call last[)]:",
        "\\n(Build info|System info|Driver info|Session ID|Capabilities|For documentation on this error)[^\\n]*",
    ] %}
    {% set frame_starts = [
        "\\n[ \\t]+at ",
        "\\n[ \\t]*File \"",
        "\\n[ \\t]*[0-9]+ +[A-Za-z0-9_.-]+ +0x[0-9a-fA-F]+ ",
        "\\n[ \\t]*#[0-9]+ +(0x[0-9a-fA-F]+ +)?(in )?",
        "\\n[ \\t]+[-+]\\[",
        "\\n[ \\t]+from ",
        "\\n\\t/",
        "\\n[A-Za-z0-9_$.<>/]*@(https?:|file:|webpack|/)",
    ] %}
    {% set masks = [
        ("[a-zA-Z][a-zA-Z0-9+.-]*://[^ \\t\\n\"\\x27<>)}|,]+", "<url>"),
        ("[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+", "<address>"),
        ("(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +[0-9]{1,2} [0-9]{2}:[0-9]{2}:[0-9]{2}( [A-Z]{3,4})? [0-9]{4}", "<time>"),
        ("[0-9]{2,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[T ]+[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?", "<time>"),
        ("[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,:][0-9]+)?", "<time>"),
        ("[A-Za-z]:[\\\\/][^ \\t\\n\"\\x27<>|:,;)]*", "<path>"),
        ("[~.]{0,2}(/[A-Za-z0-9_.@%+~$-]+){2,}/?([?][^ \\t\\n\"\\x27<>)}|,]*)?", "<path>"),
        ("[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}", "<time>"),
        ("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "<id>"),
        ("[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*[.](com|net|org|edu|gov|dev|local|localdomain|internal|lan)(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+[.](de|uk|fr|es|it|jp|cn|kr|tw|nl|pl|br|ru|eu|in|at|io|au|ca|us)(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[a-z0-9-]*[0-9][a-z0-9-]*([.][a-z0-9-]+)+[.][a-z]{2,}(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}(:[0-9]+)?", "<address>"),
        ("([0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}", "<address>"),
        ("localhost(:[0-9]{2,5})?", "<address>"),
        ("<address>( ?[,;] ?<address>)+", "<address>"),
        ("0[xX][0-9a-fA-F]+", "<n>"),
        ("[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*([.][A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*)*", "<n>"),
        ("[a-fA-F]{8,}", "<n>"),
        ("[ \\t\\n]+", " "),
    ] %}
    {% set frame_masks = [
        ("[^ (\"\\n]*[/\\\\]", ""),
        ("0[xX][0-9a-fA-F]+", "<n>"),
        ("[0-9]+", "<n>"),
    ] %}
    {% do return({
        "framework_lines": framework_lines, "frame_starts": frame_starts, "late_frame_starts": [],
        "masks": masks, "frame_masks": frame_masks
    }) %}
{% endmacro %}
