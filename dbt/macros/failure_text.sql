{# From a failure's message to its template and id. Only what DuckDB's RE2 and Spark's Java regexes read alike:
   no look-around, no back-reference, no \b, \s or \d. tests/warehouse/test_failure_text.py holds the properties. #}

{# Part of every failure_id. Its rules, and those of each former version, are a file of their own. #}
{% macro failure_text_version() %}2{% endmacro %}

{# The version whose ids are the failure ids, and those whose ids are kept beside. #}
{% macro failure_text_versions() %}
    {% do return([failure_text_version()] + (var('former_failure_text_versions') | map('string') | list)) %}
{% endmacro %}

{% macro failure_text_rules(version) %}
    {% do return(context['failure_text_rules_' ~ version]()) %}
{% endmacro %}

{# Message with one kind of line end, every line after a line feed, and without the page that was dumped after it. #}
{% macro message_lines(message) -%}
    {%- set ns = namespace(text="left(replace(replace(" ~ message ~ ", chr(13) || chr(10), chr(10)), chr(13), chr(10)), 10000)") -%}
    {%- for start in ["Page source", "<?xml", "<hierarchy", "<AppiumAUT", "<html", "<!DOCTYPE"] -%}
        {%- set ns.text = "split_part(" ~ ns.text ~ ", chr(10) || '" ~ start ~ "', 1)" -%}
    {%- endfor -%}
    chr(10) || {{ ns.text }}
{%- endmacro %}

{% macro replace_each(text, rules) %}
    {%- set ns = namespace(text=text) -%}
    {%- for pattern, replacement in rules -%}
        {%- set ns.text = regexp_replace_all(ns.text, pattern, replacement) -%}
    {%- endfor -%}
    {{- ns.text -}}
{% endmacro %}

{# The message without frames of frameworks, every other frame marked: <late> where the innermost comes last. #}
{% macro marked_frames(message, version=failure_text_version()) %}
    {%- set rules = failure_text_rules(version) -%}
    {%- set ns = namespace(rules=[]) -%}
    {%- for pattern in rules.framework_lines -%}{%- do ns.rules.append((pattern, "")) -%}{%- endfor -%}
    {%- for pattern in rules.late_frame_starts -%}{%- do ns.rules.append((pattern, "<late>")) -%}{%- endfor -%}
    {%- for pattern in rules.frame_starts -%}{%- do ns.rules.append((pattern, "<frame>")) -%}{%- endfor -%}
    {{- replace_each(message_lines(message), ns.rules) -}}
{% endmacro %}

{# Exception type and message, masked; marked is the result of marked_frames. #}
{% macro masked_message(marked, version=failure_text_version()) %}
    {%- set without_frames = regexp_replace_all(marked, "<(frame|late)>[^\\n]*(\\n    [^\\n]*)*", "") -%}
    left(trim({{ replace_each(without_frames, failure_text_rules(version).masks) }}), 2000)
{% endmacro %}

{# Template of a message; empty where the message was cut off before it said anything: frames alone are no reason. #}
{% macro failure_template(masked_message, masked_frames) %}
    case
        when {{ regexp_replace_all(masked_message, "[ .:…]+", "") }} = '' then ''
        else {{ masked_message }} || {{ masked_frames }}
    end
{% endmacro %}

{# The three innermost frames, masked, a line feed before each. #}
{% macro masked_frames(marked, version=failure_text_version()) %}
    {%- set rules = failure_text_rules(version) -%}
    {%- if rules.late_frame_starts -%}
        case when {{ marked }} like '%<late>%' then {{ masked_late_frames(marked, rules.frame_masks) }}
        else {% endif -%}
    {%- for number in range(2, 5) -%}
        {{ masked_frame("split_part(" ~ marked ~ ", '<frame>', " ~ number ~ ")", rules.frame_masks) }}
        {%- if not loop.last %} || {% endif -%}
    {%- endfor -%}
    {%- if rules.late_frame_starts %} end {%- endif -%}
{% endmacro %}

{# Counted from the last; what stands before the first frame is none. #}
{% macro masked_late_frames(marked, frame_masks) %}
    {%- for number in range(1, 4) -%}
        case when split_part({{ marked }}, '<late>', {{ number + 1 }}) <> ''
            then {{ masked_frame("split_part(" ~ marked ~ ", '<late>', -" ~ number ~ ")", frame_masks) }}
            else '' end
        {%- if not loop.last %} || {% endif -%}
    {%- endfor -%}
{% endmacro %}

{# The first line of a frame, masked, after a line feed; nothing where there is no frame. #}
{% macro masked_frame(frame, frame_masks) -%}
    case when {{ frame }} <> '' then chr(10) else '' end
    || {{ replace_each("split_part(" ~ frame ~ ", chr(10), 1)", frame_masks) }}
{%- endmacro %}

{# Of a template by the version that made it. #}
{% macro failure_id(template, version) %}md5({{ version }} || chr(10) || {{ template }}){% endmacro %}
