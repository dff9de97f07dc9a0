"""Lines of the invoices of a British gift shop, one row each, with cancellations and adjustments told apart.

A cancellation's number begins with C, and its quantities are negative; that of an adjustment for bad debt begins with
A. A line that an invoice has twice is on the invoice twice, as the feed numbers no lines: such are kept, and `repeated`
is true of all but the first. One line in four names no customer.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, drop, matches, merge, not_null, table, typed, warn

CELLS = ["StockCode", "Description", "Quantity", "UnitPrice", "InvoiceDate", "CustomerID", "Country"]


@table(
    raw="bronze.order_lines",
    columns=[
        Column("invoice", "string", key=True, doc="Six digits; with C before them a cancellation, with A bad debt."),
        Column("line", "int", key=True, doc="Its place in the invoice by stock code; the feed has no order."),
        Column("stock_code", "string", nullable=False, doc="Also of postage (POST) and fees."),
        Column("description", "string"),
        Column("quantity", "int", nullable=False, doc="Negative when cancelled, or written off."),
        Column("unit_price", "decimal(12,3)", nullable=False, doc="Pounds."),
        Column("amount", "decimal(18,3)", nullable=False, doc="Pounds: quantity times price."),
        Column("invoiced_at", "timestamp", nullable=False, doc="By the shop's clock, which is taken for UTC."),
        Column("customer_id", "string"),
        Column("country", "string", nullable=False, doc="Where the customer lives; Unspecified where unknown."),
        Column("cancelled", "boolean", nullable=False),
        Column("repeated", "boolean", nullable=False, doc="The invoice has the same line before."),
    ],
    expect=[
        typed(),
        drop(matches("invoice", r"^[AC]?\d{6}$")),
        drop("quantity <> 0"),
        warn("unit_price > 0", name="priced"),
        warn("(quantity < 0) = cancelled", name="only_cancellations_are_negative"),
        warn("NOT repeated", name="once_an_invoice"),
        warn(not_null("customer_id")),
        warn(not_null("description")),
    ],
    write=merge(on=["invoice", "line"], newest="_ingested_at"),
)
def order_lines(raw: DataFrame) -> DataFrame:
    # An invoice is of one day, so of one file; a file that arrived twice is numbered anew each time.
    invoice = Window.partitionBy("_source", "_batch", "InvoiceNo").orderBy(*CELLS)
    before = F.lag(F.struct(*CELLS)).over(invoice)
    amount = F.expr("try_cast(try_cast(Quantity AS int) * try_cast(UnitPrice AS decimal(12,3)) AS decimal(18,3))")
    return raw.select(
        F.col("InvoiceNo").alias("invoice"),
        F.row_number().over(invoice).alias("line"),
        F.col("StockCode").alias("stock_code"),
        F.trim("Description").alias("description"),
        F.col("Quantity").alias("quantity"),
        F.col("UnitPrice").alias("unit_price"),
        amount.alias("amount"),
        F.col("InvoiceDate").alias("invoiced_at"),
        F.regexp_replace("CustomerID", r"\.0$", "").alias("customer_id"),
        F.col("Country").alias("country"),
        F.startswith("InvoiceNo", F.lit("C")).alias("cancelled"),
        before.eqNullSafe(F.struct(*CELLS)).alias("repeated"),
        "_source",
        "_ingested_at",
    )
