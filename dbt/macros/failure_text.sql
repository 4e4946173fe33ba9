{# From a failure's message to its template and id. Only what DuckDB's RE2 and Spark's Java regexes read alike:
   no look-around, no back-reference, no \b, \s or \d. tests/warehouse/test_failure_text.py holds the properties. #}

{# Part of every failure_id: changing any pattern below asks for a new version. #}
{% macro failure_text_version() %}1{% endmacro %}

{# Message with one kind of line end, every line after a line feed, and without the page that was dumped after it. #}
{% macro message_lines(message) -%}
    {%- set ns = namespace(text="left(replace(replace(" ~ message ~ ", chr(13) || chr(10), chr(10)), chr(13), chr(10)), 10000)") -%}
    {%- for start in ["Page source", "<?xml", "<hierarchy", "<AppiumAUT", "<html", "<!DOCTYPE"] -%}
        {%- set ns.text = "split_part(" ~ ns.text ~ ", chr(10) || '" ~ start ~ "', 1)" -%}
    {%- endfor -%}
    chr(10) || {{ ns.text }}
{%- endmacro %}

{# Lines that say nothing about the cause: frames of known frameworks, and what Selenium appends to every error. #}
{% macro framework_lines() %}
    {% do return([
        "\\n[ \\t]+at (app//)?(java|javax|jdk|sun|com[.]sun|kotlin|kotlinx|scala|groovy|android|androidx|dalvik|com[.]android[.]internal|org[.](junit|testng|openqa|apache|gradle|hamcrest|assertj|mockito|codehaus|jetbrains|eclipse|springframework)|io[.](appium|cucumber|netty|qameta)|cucumber|net[.]bytebuddy|com[.](intellij|google[.]common|perfecto)|okhttp3|retrofit2|reactor|System|Microsoft|NUnit|Xunit|OpenQA|Xamarin|TechTalk|FluentAssertions)[./][^\\n]*",
        "\\n[ \\t]+at [^\\n]*(node_modules|node:internal|internal/|<anonymous>:|native code|appium)[^\\n]*",
        "\\n[ \\t]*File \"[^\"\\n]*(site-packages|dist-packages|/lib/python|/unittest/|<frozen)[^\"\\n]*\", line [0-9]+[^\\n]*(\\n    [^\\n]*){0,2}",
        "\\n[ \\t]*[0-9]+ +(CoreFoundation|Foundation|UIKit|UIKitCore|XCT[A-Za-z]*|XCUI[A-Za-z]*|GraphicsServices|dyld|lib[A-Za-z_.+-]*|[?][?][?]) +0x[0-9a-fA-F]+[^\\n]*",
        "\\n[ \\t]+(t = +[0-9.]+s |__XC)[^\\n]*",
        "\\n[ \\t]*#[0-9]+ 0x[0-9a-fA-F]+ <unknown>[^\\n]*",
        "\\n[ \\t]*[.][.][.] [0-9]+ (more|common frames omitted|collapsed)[^\\n]*",
        "\\nTraceback [(]most recent call last[)]:",
        "\\n(Build info|System info|Driver info|Session ID|Capabilities|For documentation on this error)[^\\n]*",
    ]) %}
{% endmacro %}

{# How a stack frame starts, in the languages that tests are written in. #}
{% macro frame_starts() %}
    {% do return([
        "\\n[ \\t]+at ",
        "\\n[ \\t]*File \"",
        "\\n[ \\t]*[0-9]+ +[A-Za-z0-9_.-]+ +0x[0-9a-fA-F]+ ",
        "\\n[ \\t]*#[0-9]+ +(0x[0-9a-fA-F]+ +)?(in )?",
        "\\n[ \\t]+[-+]\\[",
        "\\n[ \\t]+from ",
        "\\n\\t/",
        "\\n[A-Za-z0-9_$.<>/]*@(https?:|file:|webpack|/)",
    ]) %}
{% endmacro %}

{# Typed masks, in the order in which they apply. #}
{% macro masks() %}
    {% do return([
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
    ]) %}
{% endmacro %}

{# Frames keep the file's name and lose its folder, its line and every other number. #}
{% macro frame_masks() %}
    {% do return([
        ("[^ (\"\\n]*[/\\\\]", ""),
        ("0[xX][0-9a-fA-F]+", "<n>"),
        ("[0-9]+", "<n>"),
    ]) %}
{% endmacro %}

{% macro replace_each(text, rules) %}
    {%- set ns = namespace(text=text) -%}
    {%- for pattern, replacement in rules -%}
        {%- set ns.text = regexp_replace_all(ns.text, pattern, replacement) -%}
    {%- endfor -%}
    {{- ns.text -}}
{% endmacro %}

{# The message without frames of frameworks, every other frame marked. #}
{% macro marked_frames(message) %}
    {%- set ns = namespace(rules=[]) -%}
    {%- for pattern in framework_lines() -%}{%- do ns.rules.append((pattern, "")) -%}{%- endfor -%}
    {%- for pattern in frame_starts() -%}{%- do ns.rules.append((pattern, "<frame>")) -%}{%- endfor -%}
    {{- replace_each(message_lines(message), ns.rules) -}}
{% endmacro %}

{# Exception type and message, masked; marked is the result of marked_frames. #}
{% macro masked_message(marked) %}
    {%- set without_frames = regexp_replace_all(marked, "<frame>[^\\n]*(\\n    [^\\n]*)*", "") -%}
    left(trim({{ replace_each(without_frames, masks()) }}), 2000)
{% endmacro %}

{# Template of a message; empty where the message was cut off before it said anything: frames alone are no reason. #}
{% macro failure_template(masked_message, masked_frames) %}
    case
        when {{ regexp_replace_all(masked_message, "[ .:…]+", "") }} = '' then ''
        else {{ masked_message }} || {{ masked_frames }}
    end
{% endmacro %}

{# The first three frames, masked, a line feed before each. #}
{% macro masked_frames(marked) %}
    {%- for number in range(2, 5) -%}
        case when split_part({{ marked }}, '<frame>', {{ number }}) <> '' then chr(10) else '' end
        || {{ replace_each("split_part(split_part(" ~ marked ~ ", '<frame>', " ~ number ~ "), chr(10), 1)", frame_masks()) }}
        {%- if not loop.last %} || {% endif -%}
    {%- endfor -%}
{% endmacro %}

{% macro failure_id(template) %}md5('{{ failure_text_version() }}' || chr(10) || {{ template }}){% endmacro %}
