{# The rules of version 2. Changing any of them asks for a new version: they are part of every failure_id. #}
{% macro failure_text_rules_2() %}
    {# Lines that say nothing about the cause: frames of known frameworks, and what Selenium appends to every error. #}
    {% set framework_lines = [
        "\\n[ \\t]+at (app//)?(java|javax|jdk|sun|com[.]sun|kotlin|kotlinx|scala|groovy|android|androidx|dalvik|com[.]android[.]internal|org[.](junit|testng|openqa|apache|gradle|hamcrest|assertj|mockito|codehaus|jetbrains|eclipse|springframework)|io[.](appium|cucumber|netty|qameta|restassured|reactivex)|cucumber|net[.](bytebuddy|serenitybdd)|com[.](intellij|google[.]common|perfecto|codeborne|fasterxml|thoughtworks)|rx|feign|okhttp3|retrofit2|reactor|System|Microsoft|NUnit|Xunit|OpenQA|Xamarin|TechTalk|FluentAssertions|Castle|Moq|Polly|Newtonsoft)[./][^\\n]*",
        "\\n[ \\t]+at [^\\n]*(node_modules|node:internal|internal/|<anonymous>:|native code|appium)[^\\n]*",
        "\\n[ \\t]*File \"[^\"\\n]*(site-packages|dist-packages|/lib/python|/unittest/|<frozen)[^\"\\n]*\", line [0-9]+[^\\n]*(\\n    [^\\n]*){0,2}",
        "\\n[ \\t]*[0-9]+ +(CoreFoundation|Foundation|UIKit|UIKitCore|XCT[A-Za-z]*|XCUI[A-Za-z]*|GraphicsServices|CFNetwork|QuartzCore|SwiftUI|Combine|dyld|lib[A-Za-z_.+-]*|[?][?][?]) +0x[0-9a-fA-F]+[^\\n]*",
        "\\n[ \\t]+(t = +[0-9.]+s |__XC)[^\\n]*",
        "\\n[ \\t]*#[0-9]+ 0x[0-9a-fA-F]+ <unknown>[^\\n]*",
        "\\n[ \\t]*[.][.][.] [0-9]+ (more|common frames omitted|collapsed)[^\\n]*",
        "\\nTraceback [(]most recent call last[)]:",
        "\\n(Build info|System info|Driver info|Session ID|Capabilities|For documentation on this error)[^\\n]*",
    ] %}

    {# How a stack frame starts, in the languages that tests are written in, the innermost first. #}
    {% set frame_starts = [
        "\\n[ \\t]+at ",
        "\\n[ \\t]*[0-9]+ +[A-Za-z0-9_.-]+ +0x[0-9a-fA-F]+ ",
        "\\n[ \\t]*#[0-9]+ +(0x[0-9a-fA-F]+ +)?(in )?",
        "\\n[ \\t]+[-+]\\[",
        "\\n[ \\t]+from ",
        "\\n\\t/",
        "\\n[A-Za-z0-9_$.<>/]*@(https?:|file:|webpack|/)",
    ] %}

    {# In Python the innermost frame comes last. #}
    {% set late_frame_starts = ["\\n[ \\t]*File \""] %}

    {# Typed masks, in the order in which they apply. #}
    {%- set clock -%}
        [0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,:][0-9]+)?)?( ?[AaPp][.]?[Mm][.]?)?(Z| ?[+-][0-9]{2}:?[0-9]{2}| (UTC|GMT|CES?T|E[SD]T|C[SD]T|M[SD]T|P[SD]T|IST|JST|BST|AE[SD]T|MSK))?
    {%- endset -%}
    {%- set weekday = "((Mon|Tue(s)?|Wed(nes)?|Thu(rs)?|Fri|Sat(ur)?|Sun)(day)?,? +)?" -%}
    {%- set month = "(Jan(uary)?|Feb(ruary)?|Mar(ch)?|Apr(il)?|May|June?|July?|Aug(ust)?|Sept?(ember)?|Oct(ober)?|Nov(ember)?|Dec(ember)?)[.]?" -%}
    {% set masks = [
        ("[a-zA-Z][a-zA-Z0-9+.-]*://[^ \\t\\n\"\\x27<>)}|,]+", "<url>"),
        ("www[.][A-Za-z0-9-]+[.][^ \\t\\n\"\\x27<>)}|,]+", "<url>"),
        ("[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+", "<address>"),
        ("([0-9a-fA-F]{1,4}:){5,7}[0-9a-fA-F]{1,4}", "<address>"),
        ("([0-9a-fA-F]{1,4}:)*[0-9a-fA-F]{0,4}::([0-9a-fA-F]{1,4}:)*[0-9a-fA-F]{0,3}[0-9][0-9a-fA-F]{0,3}", "<address>"),
        (weekday ~ "[0-9]{1,2}(st|nd|rd|th|[.])?[ /-]" ~ month ~ ",?[ /-][0-9]{2,4}((,? +|[:T])" ~ clock ~ ")?", "<time>"),
        (weekday ~ month ~ " +[0-9]{1,4}(st|nd|rd|th)?(,? +[0-9]{4})?((,| at)? +" ~ clock ~ ")?( [0-9]{4})?", "<time>"),
        ("[0-9]{2,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[T ]+" ~ clock, "<time>"),
        ("[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,:][0-9]+)?( ?[AaPp][Mm])?", "<time>"),
        ("[0-9]{1,2}:[0-9]{2} ?[AaPp][Mm]", "<time>"),
        ("[A-Za-z]:[\\\\/][^ \\t\\n\"\\x27<>|:,;)]*", "<path>"),
        ("\\\\\\\\[A-Za-z0-9_.$-]+(\\\\[^ \\t\\n\"\\x27<>|:,;)\\\\]+)+", "<path>"),
        ("<path>( [^ \\t\\n\"\\x27<>|:,;)\\\\]+(\\\\[^ \\t\\n\"\\x27<>|:,;)\\\\]*)+)+", "<path>"),
        ("[~.]{0,2}(/([A-Za-z0-9_.@%+~$-]|[^\\x00-\\x7f])+){2,}/?([?][^ \\t\\n\"\\x27<>)}|,]*)?", "<path>"),
        ("[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}", "<time>"),
        ("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "<id>"),
        ("eyJ[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)+", "<id>"),
        ("[A-Za-z0-9/]*[+][A-Za-z0-9+/]{20,}={0,2}", "<id>"),
        ("[A-Za-z0-9+/]{16,}={1,2}([^A-Za-z0-9=]|$)", "<id> "),
        ("[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*[.](com|net|org|edu|gov|dev|local|localdomain|internal|lan)(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+[.](de|uk|fr|es|it|jp|cn|hk|kr|tw|nl|pl|pt|br|ru|eu|in|at|ch|be|se|dk|fi|cz|io|au|ca|us|mx|sg)(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[a-z0-9-]*[0-9][a-z0-9-]*([.][a-z0-9-]+)+[.][a-z]{2,}(:[0-9]{2,5})?([^A-Za-z0-9._-]|$)", "<address> "),
        ("[A-Za-z0-9_-]+(~[A-Za-z0-9_.-]*){2,}", "<id>"),
        ("[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}(:[0-9]+)?", "<address>"),
        ("([0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}", "<address>"),
        ("localhost(:[0-9]{2,5})?", "<address>"),
        ("<address>( ?[,; ] ?<address>)+", "<address>"),
        ("0[xX][0-9a-fA-F]+", "<n>"),
        ("[A-Za-z0-9_~-]*[0-9][A-Za-z0-9_~-]*([.][A-Za-z0-9_~-]*[0-9][A-Za-z0-9_~-]*)*", "<n>"),
        ("[a-fA-F]{8,}", "<n>"),
        ("<n>([,\\x27\\x{a0}\\x{2019}\\x{202f}]<n>)+", "<n>"),
        ("<n>(,? <n>)+", "<n>"),
        ("[ \\t\\n]+", " "),
    ] %}

    {# Frames keep the file's name and lose its folder, its line and every other number. #}
    {% set frame_masks = [
        ("[^ (\"\\n]*[/\\\\]", ""),
        ("0[xX][0-9a-fA-F]+", "<n>"),
        ("[0-9]+", "<n>"),
    ] %}

    {% do return({
        "framework_lines": framework_lines, "frame_starts": frame_starts, "late_frame_starts": late_frame_starts,
        "masks": masks, "frame_masks": frame_masks
    }) %}
{% endmacro %}
