"""What people write into the failed step of a manual test."""

from __future__ import annotations

from simlab.world.causes.words import cause

CAUSES = (
    cause(
        "invoice_address_missing",
        None,
        "",
        ("plain", "The printed invoice has no address block for {person}."),
        ("plain", "Invoice {big}: address block is empty"),
        ("plain", "Auf der Rechnung {big} fehlt der Adressblock"),
        ("plain", "address block missing on invoice, tried with {person} and {person}"),
        ("plain", "No address on the invoice again, see attachment"),
    ),
    cause(
        "receipt_prints_twice",
        None,
        "",
        ("plain", "Receipt printed twice for {product}"),
        ("plain", "The till prints two receipts (order {big})"),
        ("plain", "Kassenbon wird doppelt gedruckt"),
        ("plain", "two copies of the receipt came out, {product}, {price}"),
        ("plain", "Double receipt print after changing the paper roll"),
    ),
    cause(
        "refund_button_grey",
        None,
        "",
        ("plain", "Refund button stays grey for {person}"),
        ("plain", "Cannot press refund, it is disabled (order {big})"),
        ("plain", "Schaltfläche 'Erstattung' bleibt ausgegraut"),
        ("plain", "refund greyed out although the order is {n} days old"),
        ("plain", "The refund action is not enabled, waited {n} minutes"),
    ),
    cause(
        "stock_level_negative",
        None,
        "",
        ("plain", "Stock level shows -{n} for {product}"),
        ("plain", "Negative stock of {product} in the {city} warehouse"),
        ("plain", "Lagerbestand negativ: {product}"),
        ("plain", "stock went below zero after the return of {product}"),
        ("plain", "Level of stock is minus {n}, should never be negative"),
    ),
    cause(
        "mail_in_wrong_language",
        None,
        "",
        ("plain", "Confirmation mail arrived in English for a customer in {city}"),
        ("plain", "Mail language is wrong, expected German"),
        ("plain", "Bestätigungsmail kommt in falscher Sprache ({city})"),
        ("plain", "e-mail language ignores the customer's setting ({person})"),
        ("plain", "The mail to {person} uses the wrong language again"),
    ),
)
