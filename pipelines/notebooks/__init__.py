"""What the notebooks in `notebooks/` stand on.

`warehouse.py` opens what is published and asks it, `filters.py` turns choices into conditions, `charts.py` draws, `page.py` lays out, `serving.py` serves them as apps.
"""
