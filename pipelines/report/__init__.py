"""The report: one HTML file with everything in it, for whoever has five minutes on a Monday.

`sections.py` says what is on it, `questions.py` what is asked, `answers.py` asks the published warehouse, `charts.py` draws, `page.html.j2` is the page.
"""
