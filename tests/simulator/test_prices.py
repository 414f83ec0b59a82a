"""The price list: rows, filters, pages; prices for those who ask inside, and changed ones."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.offering import PriceEntry
from slurm_azure.simulator.price_filter import (
    FIELDS,
    MAX_COMPARISONS,
    Comparison,
    Condition,
    Field,
    FilterError,
    Function,
    Junction,
    Literal,
    holds,
    parse,
    pinned,
)
from slurm_azure.simulator.world.price_list import PriceList
from slurm_azure.simulator.world.skus import Skus
from tests.contracts.specifications import SHARED
from tests.simulator.raw import Answer, ask
from tests.support.simulated_azure import SimulatedAzure, simulated_azure

REAL = SHARED / "azure-data" / "prices.json"
ROWS = "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and armSkuName eq 'Standard_D2s_v5'"
MEMBERS = (
    "currencyCode tierMinimumUnits retailPrice unitPrice armRegionName location effectiveStartDate meterId meterName productId "
    "skuId productName skuName serviceName serviceId serviceFamily unitOfMeasure type isPrimaryMeterRegion armSkuName"
)


@pytest.fixture(scope="module")
def shared() -> Any:
    """One simulator for all that only read."""
    with simulated_azure() as azure:
        yield azure


def prices(azure: SimulatedAzure, **query: str) -> Answer:
    """One question, without a token; `filter`, `skip` and `top` without the $."""
    named = {f"${key}" if key in ("filter", "skip", "top") else key: value for key, value in query.items()}
    named = {key.replace("api_version", "api-version"): value for key, value in named.items()}
    return ask(azure.endpoint, "GET", f"/api/retail/prices?{urlencode(named)}", ca_file=azure.ca_file)


def rows(azure: SimulatedAzure, condition: str, **query: str) -> list[dict[str, Any]]:
    """The items of all pages."""
    body, found = prices(azure, filter=condition, **query).body, []
    while True:
        found += body["Items"]
        assert body["Count"] == len(body["Items"])
        if body["NextPageLink"] is None:
            return found
        assert body["NextPageLink"].startswith(f"{azure.endpoint}/api/retail/prices?")
        link = urlsplit(body["NextPageLink"])
        body = ask(azure.endpoint, "GET", f"{link.path}?{link.query}", ca_file=azure.ca_file).body


def test_a_row(shared: SimulatedAzure) -> None:
    """The envelope and the members of the documented sample, without a token."""
    answer = prices(shared, filter=f"{ROWS} and priceType eq 'Consumption'")
    assert answer.status == 200
    envelope = {key: value for key, value in answer.body.items() if key != "Items"}
    assert envelope == {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "NextPageLink": None,
        "Count": 6,
    }
    row = next(item for item in answer.body["Items"] if item["meterName"] == "D2s v5" and "Windows" not in item["productName"])
    assert list(row) == MEMBERS.split()
    assert (row["retailPrice"], row["unitOfMeasure"], row["type"]) == (0.096, "1 Hour", "Consumption")
    assert (row["productName"], row["skuName"], row["location"]) == ("Virtual Machines Dsv5 Series", "D2s v5", "US East")


def test_what_a_client_has_to_tell_apart(shared: SimulatedAzure) -> None:
    """For one size in one region: Spot in both names, Low Priority, Windows, dev/test and reservations."""
    found = rows(shared, ROWS)
    spot = [row for row in found if "Spot" in row["meterName"]]
    assert all("Spot" in row["skuName"] for row in spot)
    assert sorted("Windows" in row["productName"] for row in spot) == [False, True]
    assert len([row for row in found if "Low Priority" in row["meterName"]]) == 2
    assert {row["type"] for row in found} == {"Consumption", "DevTestConsumption", "Reservation"}
    assert {row["reservationTerm"] for row in found if row["type"] == "Reservation"} == {"1 Year", "3 Years"}
    assert len({row["meterId"] + row["type"] + row.get("reservationTerm", "") for row in found}) == len(found)
    by_name = {(row["meterName"], "Windows" in row["productName"]): row for row in found if row["type"] == "Consumption"}
    assert by_name["D2s v5", True]["retailPrice"] == pytest.approx(0.188)
    assert by_name["D2s v5 Spot", False]["retailPrice"] < by_name["D2s v5", False]["retailPrice"] / 2


def test_sizes_that_cannot_be_spot_have_no_spot_price(shared: SimulatedAzure) -> None:
    """Nor a low priority one; and there is no Windows for Arm64."""
    assert not [row for row in rows(shared, "armSkuName eq 'Standard_B2s'") if "Spot" in row["skuName"]]
    assert not [row for row in rows(shared, "armSkuName eq 'Standard_D2ps_v5'") if "Windows" in row["productName"]]


@pytest.mark.skipif(not REAL.exists(), reason=f"Azure's prices are not in {REAL} (set SLURM_AZURE_SHARED)")
def test_prices_on_demand_are_azures_own() -> None:
    """Every figure of the five regions, for every size of the table."""
    real = json.loads(REAL.read_text())["usd_per_hour"]
    prices = PriceList(Skus())
    for location, known in real.items():
        for size in Skus().in_location(location):
            if size.name in known:
                assert prices.on_demand(size.name, location) == known[size.name]


def test_prices_elsewhere_are_derived() -> None:
    """A region without figures costs a tenth more than East US; a size that no region prices has no price."""
    prices = PriceList(Skus())
    assert prices.on_demand("standard_d2s_v5", "westus3") == pytest.approx(0.096 * 1.1)
    assert prices.on_demand("Basic_A0", "eastus") is None
    assert prices.spot("Basic_A0", "eastus") is None
    assert prices.spot("Standard_B2s", "eastus") is None


def test_a_spot_price_is_a_part_of_the_price_on_demand() -> None:
    """From 11 % to 40 %, alike for a family in a region, and not everywhere the same."""
    prices, skus = PriceList(Skus()), Skus()
    parts = set()
    for size in skus.in_location("westeurope"):
        spot, full = prices.spot(size.name, "westeurope"), prices.on_demand(size.name, "westeurope")
        if spot is not None and full is not None:
            assert 0.1099 < spot / full < 0.4001
            parts.add(round(spot / full, 2))
    assert len(parts) > 10


def test_prices_can_be_changed() -> None:
    """In one region or all; a Spot price that was not set follows the one on demand."""
    prices = PriceList(Skus(), [PriceEntry("Standard_D2s_v5", on_demand=1.0)])
    part = prices.spot("Standard_D2s_v5", "eastus")
    assert (prices.on_demand("standard_d2s_v5", "eastus"), prices.on_demand("Standard_D2s_v5", "uksouth")) == (1.0, 1.0)
    assert part is not None
    assert 0.1 < part <= 0.4
    prices.change("STANDARD_D2S_V5", "eastus", spot=0.9)
    assert prices.spot("Standard_D2s_v5", "eastus") == 0.9
    assert prices.spot("Standard_D2s_v5", "uksouth") != 0.9


def test_changed_prices_are_listed() -> None:
    """What the estate says of prices is what the list shows."""
    entry = {"size": "Standard_D2s_v5", "location": "East US", "on_demand": 0.5, "spot": 0.25}
    with simulated_azure(offering={"prices": [entry]}) as azure:
        found = rows(azure, f"{ROWS} and type eq 'Consumption' and contains(productName, 'Windows') eq false")
    assert {row["meterName"]: row["retailPrice"] for row in found} == {
        "D2s v5": 0.5,
        "D2s v5 Spot": 0.25,
        "D2s v5 Low Priority": 0.1,
    }


def test_pages(shared: SimulatedAzure) -> None:
    """At most 1,000 items each, every row once, the last without a link."""
    body = prices(shared, filter="armRegionName eq 'westeurope'").body
    assert body["Count"] == 1000
    everything = rows(shared, "armRegionName eq 'westeurope'")
    keys = {(row["meterId"], row["type"], row.get("reservationTerm")) for row in everything}
    assert len(keys) == len(everything) > 1000
    assert prices(shared, filter="armRegionName eq 'westeurope'", skip="1000").body["Items"] == everything[1000:2000]


def test_top(shared: SimulatedAzure) -> None:
    """No more than asked for, over pages too."""
    assert len(rows(shared, "armRegionName eq 'eastus'", top="3")) == 3
    assert len(rows(shared, "armRegionName eq 'eastus'", top="1005")) == 1005


def test_case_matters_since_2023(shared: SimulatedAzure) -> None:
    """ "In previous API versions, filter values were case-insensitive"."""
    condition = ROWS.lower().replace("servicename", "serviceName")
    counts = [len(rows(shared, condition, api_version=version)) for version in ("2021-10-01-preview", "2023-01-01-preview")]
    assert (counts[0] > 0, counts[1]) == (True, 0)
    assert len(rows(shared, ROWS, api_version="2023-01-01-preview")) == counts[0] == len(rows(shared, condition))


def test_the_host_may_be_azures_own(shared: SimulatedAzure) -> None:
    """A client that was led here by name resolution asks for prices.azure.com; the next page is there as well."""
    path = f"/api/retail/prices?$filter={quote(chr(34) + 'x').replace('%22x', '')}"
    answer = ask(shared.endpoint, "GET", path, headers={"Host": "prices.azure.com"}, ca_file=shared.ca_file)
    assert answer.status == 200
    assert answer.body["NextPageLink"].startswith("https://prices.azure.com/api/retail/prices?")


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "armSkuName in ('a', 'b')"},
        {"filter": "not contains(productName, 'Windows')"},
        {"filter": "colour eq 'blue'"},
        {"filter": "armSkuName eq"},
        {"filter": "armSkuName eq 'a' and"},
        {"filter": "(armSkuName eq 'a'"},
        {"filter": "armSkuName eq 'a') or (type eq 'b'"},
        {"filter": "armSkuName"},
        {"filter": "contains(armSkuName)"},
        {"filter": 'armSkuName eq "a"'},
        {"filter": "(" * 200 + "type eq 'a'" + ")" * 200},
        {"filter": " or ".join(["type eq 'a'"] * (MAX_COMPARISONS + 1))},
        {"skip": "-1"},
        {"top": "many"},
    ],
)
def test_what_is_not_understood_is_refused(shared: SimulatedAzure, query: dict[str, str]) -> None:
    """400 with the error of the live service, whose members are capitalised."""
    answer = prices(shared, **query)
    assert answer.status == 400
    assert answer.body == {"Error": {"Code": "BadRequest", "Message": "Invalid OData parameters supplied"}}


def test_other_currencies_are_not_simulated(shared: SimulatedAzure) -> None:
    """Dollars may be asked for outright; others are refused rather than made up."""
    assert prices(shared, filter=ROWS, currencyCode="'USD'").status == 200
    assert prices(shared, filter=ROWS, currencyCode="'EUR'").status == 501


def test_other_methods_and_paths(shared: SimulatedAzure) -> None:
    """The list is only read, and what is beside it is not the list."""
    assert ask(shared.endpoint, "POST", "/api/retail/prices", b"{}", ca_file=shared.ca_file).status == 405
    assert ask(shared.endpoint, "GET", "/api/retail/other", ca_file=shared.ca_file).status in (401, 404)


NAMES = sorted({name for name in FIELDS.values() if name not in ("isPrimaryMeterRegion", "retailPrice")})
FIELD = st.sampled_from(NAMES).map(Field)
TEXT = st.text(alphabet="aB1 '_()%,é", max_size=6)
TERM = st.one_of(
    st.builds(Comparison, st.sampled_from(["eq", "ne", "lt", "ge"]), FIELD, TEXT.map(Literal)),
    st.builds(Comparison, st.just("gt"), st.just(Field("retailPrice")), st.integers(0, 99).map(lambda n: Literal(n / 4))),
    st.builds(Function, st.sampled_from(["contains", "startswith", "endswith"]), FIELD, TEXT.map(Literal)),
    st.builds(
        Comparison,
        st.just("eq"),
        st.builds(Function, st.just("contains"), FIELD, TEXT.map(Literal)),
        st.booleans().map(Literal),
    ),
)


def _joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Junction, st.sampled_from(["and", "or"]), several)


CONDITION: st.SearchStrategy[Condition] = st.recursive(TERM, _joined, max_leaves=8)
ROW = st.fixed_dictionaries({name: TEXT for name in NAMES} | {"retailPrice": st.floats(0, 30)})


def written(part: Any) -> str:
    """A condition as a client writes it, every junction in parentheses."""
    match part:
        case Junction(word, parts):
            return "(" + f" {word} ".join(map(written, parts)) + ")"
        case Comparison(sign, left, right):
            return f"{written(left)} {sign} {written(right)}"
        case Function(name, text, piece):
            return f"{name}({written(text)},{written(piece)})"
        case Field(name):
            return name
        case Literal(bool() as value):
            return str(value).lower()
        case Literal(str() as value):
            return "'" + value.replace("'", "''") + "'"
        case Literal(value):
            return str(value)
    raise AssertionError(part)


@given(CONDITION)
def test_what_is_written_is_what_is_read(condition: Condition) -> None:
    """Parsing gives back the condition that was written, quotes and parentheses in texts included."""
    assert parse(written(condition)) == condition


@given(CONDITION, ROW, st.booleans())
def test_a_filter_means_what_it_says(condition: Condition, row: dict[str, Any], fold: bool) -> None:
    """A row that meets a condition has what the condition pins outright, and the opposite of a junction is the other one."""
    met = holds(parse(written(condition)), row, fold)
    for name in ("armSkuName", "armRegionName"):
        told = pinned(condition, name)
        if met and told is not None:
            assert row[name] == told or (fold and row[name].lower() == told.lower())
    if isinstance(condition, Junction):
        parts = [holds(part, row, fold) for part in condition.parts]
        assert met == (all(parts) if condition.word == "and" else any(parts))


def test_and_binds_before_or() -> None:
    """As everywhere in OData."""
    condition = parse("type eq 'a' or type eq 'b' and location eq 'c'")
    assert isinstance(condition, Junction)
    assert (condition.word, holds(condition, {"type": "a", "location": "x"}, False)) == ("or", True)
    assert holds(parse("(type eq 'a' or type eq 'b') and location eq 'c'"), {"type": "a", "location": "x"}, False) is False


@given(st.text(alphabet="()'=, andoreqtypecontains19.-é\\\0", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No filter breaks the parser."""
    try:
        met = holds(parse(text), {}, True)
    except FilterError:
        return
    assert met in (True, False)
