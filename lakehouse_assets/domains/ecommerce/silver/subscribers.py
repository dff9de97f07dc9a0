"""Subscribers of a telephone company, one row each, with what they pay for and whether they left in the last month.

It's a snapshot without a date: nothing tells when somebody left. A new subscriber, of tenure 0, has paid nothing yet.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, not_null, one_of, table, typed, warn

# Whether a subscriber has it is `Yes`, `No`, or that there is no internet to have it on.
ON_INTERNET = {
    "OnlineSecurity": "online_security",
    "OnlineBackup": "online_backup",
    "DeviceProtection": "device_protection",
    "TechSupport": "tech_support",
    "StreamingTV": "streaming_tv",
    "StreamingMovies": "streaming_movies",
}
OTHERS = {
    "customerID": "customer_id",
    "gender": "gender",
    "SeniorCitizen": "senior",
    "Partner": "partner",
    "Dependents": "dependents",
    "tenure": "tenure_months",
    "PhoneService": "phone",
    "MultipleLines": "multiple_lines",
    "InternetService": "internet",
    "Contract": "contract",
    "PaperlessBilling": "paperless_billing",
    "PaymentMethod": "payment_method",
    "MonthlyCharges": "monthly_charges",
    "TotalCharges": "total_charges",
    "Churn": "churned",
}


@table(
    raw="bronze.subscribers",
    columns=[
        Column("customer_id", "string", key=True),
        Column("gender", "string", nullable=False),
        Column("senior", "boolean", nullable=False),
        Column("partner", "boolean", nullable=False, doc="Lives with one."),
        Column("dependents", "boolean", nullable=False, doc="Lives with some."),
        Column("tenure_months", "int", nullable=False, doc="0 in the first month."),
        Column("phone", "boolean", nullable=False),
        Column("multiple_lines", "string", nullable=False, doc="Yes, No or No phone service."),
        Column("internet", "string", nullable=False, doc="DSL, Fiber optic or No."),
        *(Column(n, "string", nullable=False, doc="Yes, No or No internet service.") for n in ON_INTERNET.values()),
        Column("contract", "string", nullable=False, doc="Month-to-month, One year or Two year."),
        Column("paperless_billing", "boolean", nullable=False),
        Column("payment_method", "string", nullable=False),
        Column("monthly_charges", "decimal(10,2)", nullable=False, doc="Dollars."),
        Column("total_charges", "decimal(10,2)", doc="Dollars; null in the first month."),
        Column("churned", "boolean", nullable=False, doc="Left in the last month."),
    ],
    expect=[
        typed(),
        drop(between("tenure_months", 0, 1200)),
        drop("monthly_charges > 0"),
        drop("(total_charges IS NULL) = (tenure_months = 0)", name="charged_from_the_second_month"),
        drop(one_of("contract", "Month-to-month", "One year", "Two year")),
        drop(one_of("internet", "DSL", "Fiber optic", "No")),
        warn(not_null("total_charges")),
    ],
    write=merge(on="customer_id", newest="_ingested_at"),
)
def subscribers(raw: DataFrame) -> DataFrame:
    named = [F.col(cell).alias(name) for cell, name in (OTHERS | ON_INTERNET).items()]
    return raw.select(*named, "_source", "_ingested_at")
