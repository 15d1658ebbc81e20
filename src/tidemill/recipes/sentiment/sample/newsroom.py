"""The words of the generated headlines: `plain` is a news agency's, `slang` an investors' chat."""

from __future__ import annotations

from tidemill.recipes.shared.voice import Words

FIRST = Words(
    plain=(
        "Norvik", "Halden", "Castor", "Ostrava", "Lumen", "Birka", "Tarn", "Vega", "Solberg",
        "Kestrel", "Arlanda", "Pinewood", "Ferrum", "Oulanka", "Brage", "Merid", "Sundal", "Aurik",
        "Delmar", "Eskil", "Fjordan", "Gimle", "Hovden", "Isara", "Jorvik", "Kalmia",
        "Lindholm", "Mornay",
    ),
    slang=("$NVK", "$HLD", "$ZAP", "$QBT", "$MOON", "$GRIT", "$ORBX", "$PLUG", "$VYBE", "$DOGE2"),
)  # fmt: skip
SECOND = Words(
    plain=(
        "Paper", "Marine", "Foods", "Telecom", "Steel", "Energy", "Bank", "Logistics", "Pharma",
        "Timber", "Elevators", "Shipyards", "Software", "Dairy", "Cement", "Motors", "Paper Oyj",
        "Marine Group", "Foods Oyj", "Telecom Group", "Steel Holding", "Energy Oyj", "Bank Group",
        "Logistics Holding", "Pharma Group", "Timber Oyj", "Software Group", "Motors Holding",
    ),
    slang=("fam", "gang", "holders", "bros", "crew", "bulls", "bears", "bags"),
)  # fmt: skip
GOOD = Words(
    plain=(
        "operating profit", "net sales", "the order intake", "earnings per share",
        "the gross margin", "revenue", "cash flow", "the market share", "the dividend",
        "pretax profit", "exports", "the return on equity", "customer numbers", "turnover",
    ),
    slang=(
        "the top line", "bookings", "the bottom line", "guidance", "user growth", "tendies",
        "the moat", "free float demand",
    ),
)  # fmt: skip
"""Measures that should rise."""
BAD = Words(
    plain=(
        "the operating loss", "net debt", "costs", "credit losses", "inventory write-downs",
        "the tax burden", "warranty claims", "the deficit", "staff turnover", "delivery delays",
        "raw material prices",
    ),
    slang=("cash burn", "churn", "dilution", "short interest", "the debt pile", "fud"),
)  # fmt: skip
"""Measures that should fall."""
UP = Words(
    plain=(
        "rise:rose", "climb:climbed", "increase:increased", "grow:grew", "jump:jumped",
        "advance:advanced", "expand:expanded", "double:doubled", "surge:surged", "widen:widened",
    ),
    slang=("moon:mooned", "rip:ripped", "pop:popped", "spike:spiked", "rocket:rocketed",
           "melt up:melted up"),
)  # fmt: skip
DOWN = Words(
    plain=(
        "fall:fell", "decline:declined", "drop:dropped", "decrease:decreased", "shrink:shrank",
        "slip:slipped", "tumble:tumbled", "narrow:narrowed", "halve:halved", "contract:contracted",
    ),
    slang=("tank:tanked", "crater:cratered", "bleed:bled", "dump:dumped", "nosedive:nosedived",
           "fade:faded"),
)  # fmt: skip
EVENTS = {
    "positive": Words(
        plain=(
            "wins an order for {thing} worth EUR {number} mn",
            "raises its outlook for {period} to EUR {number} mn on {thing}",
            "will create {count} jobs in {city} for {thing}",
            "is upgraded to buy at EUR {number} by analysts in {city}",
            "extends its contract for {count} {thing} with a customer in {city}",
            "receives approval to sell {count} {thing} in {city} from {period}",
            "pays an extra dividend of EUR 0.{count} after {period}",
            "beats forecasts for {period} by {day} percent thanks to {thing} in {city}",
        ),
        slang=(
            "is a ten bagger on {thing} in {city}, loading up {count} more",
            "squeeze is on, {count} {thing} sold out in {city}",
            "just crushed {period} on {thing}, diamond hands since {count}",
            "insiders buying {count}k calls in {city}, {thing} is fire",
        ),
    ),
    "negative": Words(
        plain=(
            "lays off {count} people at its plant for {thing} in {city}",
            "issues a profit warning for {period}, blaming {count} {thing} in {city}",
            "recalls {count} deliveries of {thing} in {city} over a fault",
            "loses a customer for {count} {thing} in {city} after {period}",
            "is sued for EUR {number} mn over {thing} in {city}",
            "closes its factory for {thing} in {city}, which has {count} people",
            "is downgraded to sell at EUR {number} by analysts in {city}",
            "writes off EUR {number} mn on {thing} in {period}",
        ),
        slang=(
            "is a rug pull in {city}, sold my {count} on {thing}",
            "got wrecked on {thing} in {period}, bagholding {count}",
            "total clown show, {count} {thing} delayed again in {city}",
            "insiders bailing in {city}, {count}k puts, {thing} is toast",
        ),
    ),
    "neutral": Words(
        plain=(
            "publishes its report on {thing} for {period} on the {day}th",
            "appoints a new head of {thing} in {city} from the {day}th, with {count} people",
            "holds its meeting on {thing} in {city} on the {day}th",
            "moves its office for {thing} and {count} people to {city}",
            "delivers {count} {thing} to a customer in {city}",
            "changes the name of its unit for {thing} in {city} on the {day}th",
            "has {count} employees in {city} and makes {thing}",
            "discloses a holding of {count} shares in {thing} after {period}",
            "presents its profit and loss for {period} in {city} on the {day}th",
        ),
        slang=(
            "anyone listening to the {period} call? {city} time, page {count}",
            "dd thread on {thing} in {city}, part {count}",
            "what is the ticker of the {thing} unit in {city}, asking for {count}",
            "earnings on the {day}th, watching {count} {thing} in {city}",
        ),
    ),
}
FLAT = Words(
    plain=("was unchanged at", "remained at", "came to", "stood at"),
    slang=("still flat at", "doing nothing at", "crabbing at"),
)
THING = (
    "pumps", "ferry engines", "hospital beds", "tram cars", "wood pulp", "network software",
    "cheese", "lifts", "vaccines", "crane parts", "steel tubes", "phone masts", "solar roofs",
    "paper bags", "ship paint", "parking systems",
)  # fmt: skip
CITY = (
    "Turku", "Tallinn", "Gdansk", "Porto", "Leeds", "Aarhus", "Lyon", "Graz", "Bergen", "Riga",
    "Malmo", "Bilbao", "Kaunas", "Utrecht", "Trieste", "Cork", "Oulu", "Tartu", "Lodz", "Braga",
    "Hull", "Odense", "Nantes", "Linz", "Narvik", "Liepaja", "Lund", "Vigo", "Siauliai", "Breda",
    "Udine", "Sligo",
)  # fmt: skip
PERIOD = (
    "the first quarter", "the second quarter", "the third quarter", "the fourth quarter",
    "the first half", "the full year", "January to September", "the spring season",
)  # fmt: skip
ASIDE = Words(
    plain=(
        "according to a statement to the exchange in {city}",
        "the company's board said on the {day}th",
        "a person close to the maker of {thing} said",
        "as analysts in {city} had been told",
    ),
    slang=("not advice, {count} shares", "source: some guy in {city}", "page {count} of the dd"),
)
