"""Subscribers, purchases of CDs and the gift shop's invoices, against pandas and the published figures."""

from __future__ import annotations

import tarfile
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from lakehouse_assets.domains.ecommerce.feed import DAYS
from lakehouse_assets_tests.domains.landed import Landed

CUT = pd.Timestamp("1997-09-30")


@pytest.fixture(scope="module")
def shop(shared_data: Path) -> pd.DataFrame:
    """The lines of all 305 days as pandas reads them, every cell as text."""
    with tarfile.open(shared_data / "ecommerce" / "online_retail" / "online_retail_by_day.tar.gz") as archive:
        days = [archive.extractfile(member) for member in archive if member.name.endswith(".csv")]
        return pd.concat([pd.read_csv(day, dtype=str, keep_default_na=False) for day in days if day], ignore_index=True)


@pytest.fixture(scope="module")
def subscribers(shared_data: Path) -> pd.DataFrame:
    file = shared_data / "ecommerce" / "telco_churn" / "Telco-Customer-Churn.csv"
    return pd.read_csv(file, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def purchases(shared_data: Path) -> pd.DataFrame:
    cells = pd.read_csv(shared_data / "ecommerce" / "cdnow" / "CDNOW_master.txt", sep=r"\s+", dtype=str)
    return cells.assign(date=pd.to_datetime(cells["date"]), dollar_value=cells["dollar_value"].map(Decimal))


@pytest.fixture(scope="module")
def sample(ecommerce: Landed) -> Landed:
    """The domain after its own samples landed."""
    return ecommerce


@pytest.fixture(scope="module")
def year(sample: Landed, shared_data: Path) -> Landed:
    """The same after all the other days of the gift shop have landed, and one again under another name."""
    with tarfile.open(shared_data / "ecommerce" / "online_retail" / "online_retail_by_day.tar.gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if name.endswith(".csv") and name.removesuffix(".csv") not in DAYS:
                file = archive.extractfile(member)
                assert file is not None
                (sample.landing / "order_lines" / name).write_bytes(file.read())
    days = sample.landing / "order_lines"
    (days / "again.csv").write_bytes((days / "2011-12-05.csv").read_bytes())
    made = sample.run()
    assert (made["silver.order_lines"], made["silver.purchases"]) == ("merge", "nothing")
    return sample


def test_samples_are_the_files_that_are_published(sample: Landed, shared_data: Path) -> None:
    folder, landing = shared_data / "ecommerce", sample.landing
    for published, landed in (
        ("telco_churn/Telco-Customer-Churn.csv", "subscribers/Telco-Customer-Churn.csv"),
        ("cdnow/CDNOW_master.txt", "purchases/CDNOW_master.txt"),
        *((f"online_retail/sample_days/{day}.csv", f"order_lines/{day}.csv") for day in DAYS),
    ):
        assert (landing / landed).read_bytes() == (folder / published).read_bytes(), landed


def test_subscribers_have_their_types_and_no_charge_before_the_second_month(
    sample: Landed, subscribers: pd.DataFrame
) -> None:
    found = sample.table("silver.subscribers").set_index("customer_id")
    cells = subscribers.set_index("customerID").loc[found.index]
    assert (len(found), len(sample.rejected("silver.subscribers"))) == (7043, 0)
    assert (found["churned"] == (cells["Churn"] == "Yes")).all()
    assert (found["senior"] == (cells["SeniorCitizen"] == "1")).all()
    assert found["churned"].sum() == 1869
    new = found["total_charges"].isna()
    assert (new.sum(), (new == (found["tenure_months"] == 0)).all()) == (11, True)
    assert (found["total_charges"][~new] == cells["TotalCharges"][~new].map(Decimal)).all()
    assert (found["tech_support"] == cells["TechSupport"]).all()
    assert sample.broken["silver.subscribers"] == {"total_charges_not_null": 11}


def test_churn_is_counted_by_contract(sample: Landed, subscribers: pd.DataFrame) -> None:
    left = subscribers["Churn"] == "Yes"
    found = sample.table("gold.churn_by_contract").set_index("contract")
    expected = left.groupby(subscribers["Contract"]).agg(["size", "sum", "mean"])
    assert found["subscribers"].to_dict() == expected["size"].to_dict()
    assert found["churned"].to_dict() == expected["sum"].to_dict()
    assert found["churn_rate"].to_dict() == pytest.approx(expected["mean"].to_dict())
    lost = subscribers["MonthlyCharges"].map(Decimal)[left].groupby(subscribers["Contract"]).sum()
    assert found["lost_monthly_charges"].to_dict() == lost.to_dict()
    assert round(found["churned"].sum() / found["subscribers"].sum(), 4) == 0.2654


def test_every_purchase_is_kept_with_the_zeros_of_its_customer(sample: Landed, purchases: pd.DataFrame) -> None:
    found = sample.table("silver.purchases")
    assert (len(found), found["customer_id"].nunique()) == (69659, 23570)
    assert found["amount_usd"].sum() == Decimal("2500315.63")
    assert (found["nth"] > 1).sum() == purchases.duplicated().sum() == 255
    assert sample.broken["silver.purchases"] == {"amount_usd_gt_0": 80, "once_a_day": 255}
    assert set(found["customer_id"]) == set(purchases["customer_id"])


def test_customers_are_summed_up_as_the_published_summary_has_them(sample: Landed, shared_data: Path) -> None:
    folder = shared_data / "ecommerce" / "cdnow"
    summary = pd.read_csv(folder / "cdnow_customers_summary.csv").set_index("ID")
    # The sample of one customer in ten numbers them anew, and has the number of the whole beside.
    numbers = pd.read_csv(folder / "CDNOW_sample.txt", sep=r"\s+", header=None, dtype=str)[[0, 1]].drop_duplicates()
    known = numbers.set_index(numbers[1].astype(int))[0]
    found = sample.table("gold.customer_value").set_index("customer_id").loc[known[summary.index]]
    assert (found["frequency"].to_numpy() == summary["frequency"].to_numpy()).all()
    for ours, theirs in (("recency", "recency"), ("observed", "T")):
        assert found[ours].to_numpy() == pytest.approx(summary[theirs].to_numpy(), abs=0.006), ours


def test_what_customers_paid_before_and_after_the_cut_is_what_pandas_sums(
    sample: Landed, purchases: pd.DataFrame
) -> None:
    found = sample.table("gold.customer_value").set_index("customer_id").sort_index()
    days = purchases.groupby(["customer_id", "date"], as_index=False)["dollar_value"].sum()
    days = days.assign(dollar_value=days["dollar_value"].astype(float))
    repeated = days[(days["date"] <= CUT) & days["customer_id"].duplicated()]  # by day within a customer
    mean = repeated.groupby("customer_id")["dollar_value"].mean()
    assert found["monetary"].dropna().to_dict() == pytest.approx(mean.to_dict())
    after = days[days["date"] > CUT].groupby("customer_id")["dollar_value"].agg(["size", "sum"])
    after = after.reindex(found.index, fill_value=0)
    assert (found["next_purchases"] == after["size"]).all()
    assert found["next_amount_usd"].to_numpy() == pytest.approx(after["sum"].to_numpy())


def test_every_line_of_the_year_is_there_once_though_a_day_came_twice(year: Landed, shop: pd.DataFrame) -> None:
    found = year.table("silver.order_lines")
    assert len(found) == len(shop) == 541_909
    assert found["repeated"].sum() == shop.duplicated().sum() == 5268
    assert (found["invoice"].nunique(), found["stock_code"].nunique(), found["country"].nunique()) == (25900, 4070, 38)
    assert found.loc[found["cancelled"], "quantity"].lt(0).all()
    assert (found["cancelled"].sum(), found["quantity"].lt(0).sum()) == (9288, 10624)
    assert set(found["customer_id"].dropna()) == set(shop["CustomerID"].str[:-2]) - {""}
    assert (found["customer_id"].isna().sum(), found["description"].isna().sum()) == (135_080, 1454)
    assert found["unit_price"].le(0).sum() == 2517
    keys = ["invoice", "stock_code", "quantity", "unit_price", "invoiced_at"]
    lines = shop[["InvoiceNo", "StockCode", "Quantity", "UnitPrice", "InvoiceDate"]].set_axis(keys, axis=1)
    lines = lines.astype({"quantity": int, "unit_price": float, "invoiced_at": "datetime64[us, UTC]"})
    ours = found[keys].astype({"unit_price": float})
    assert ours.groupby(keys).size().to_dict() == lines.groupby(keys).size().to_dict()


def test_sales_per_day_and_country_add_up_to_the_published_total(year: Landed, shop: pd.DataFrame) -> None:
    found = year.table("gold.sales_by_day").set_index(["day", "country"]).sort_index()
    assert round(found["net_sales"].sum(), 2) == Decimal("9747747.93")
    amount = shop["Quantity"].map(Decimal) * shop["UnitPrice"].map(Decimal)
    by = [pd.to_datetime(shop["InvoiceDate"]).dt.date.rename("day"), shop["Country"].rename("country")]
    ordered, cancelled = shop["InvoiceNo"].str.isdigit(), shop["InvoiceNo"].str.startswith("C")
    for column, rows in (("sales", ordered), ("cancelled", cancelled)):
        expected = amount.where(rows, Decimal(0)).groupby(by).sum().sort_index()
        assert found[column].to_dict() == expected.to_dict(), column
    orders = shop["InvoiceNo"].where(ordered).groupby(by).nunique()
    assert found["orders"].to_dict() == orders.to_dict()
    named = shop["CustomerID"].where(ordered & (shop["CustomerID"] != "")).groupby(by).nunique()
    assert found["customers"].to_dict() == named.to_dict()


def test_of_three_days_no_line_is_lost_and_a_broken_one_is_kept_apart(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    lines = [
        "536365,22633,HAND WARMER,6,2010-12-01 08:26:00,1.85,17850.0,France",
        "536365,22633,HAND WARMER,6,2010-12-01 08:26:00,1.85,17850.0,France",
        "C536379,22633,HAND WARMER,-1,2010-12-01 09:41:00,1.85,14527.0,France",
        "A536380,B,Adjust bad debt,1,2010-12-01 09:50:00,-11.5,,France",
        "536381,22633,HAND WARMER,six,2010-12-01 09:51:00,1.85,14527.0,France",
        "X36382,22633,HAND WARMER,1,2010-12-01 09:51:00,1.85,14527.0,France",
    ]
    made = Landed("ecommerce", tmp_path, instance)
    (made.landing / "order_lines").mkdir(parents=True)
    (made.landing / "order_lines" / "2010-12-01.csv").write_text(header + "\n".join(lines) + "\n")
    assert "silver.purchases" not in made.run()
    found = made.table("silver.order_lines").sort_values(["invoice", "line"])
    assert found["line"].to_list() == [1, 2, 1, 1]
    assert found["repeated"].to_list() == [False, True, False, False]
    assert {row["invoice"] for row in made.rejected("silver.order_lines")} == {"536381", "X36382"}
    (day,) = made.table("gold.sales_by_day").to_dict("records")
    assert [str(day[c]) for c in ("sales", "cancelled", "adjusted", "net_sales")] == [
        "22.200", "-1.850", "-11.500", "8.850",
    ]  # fmt: skip
    assert (day["orders"], day["cancellations"], day["customers"], day["units"]) == (1, 1, 1, 12)
