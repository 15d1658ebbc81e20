"""The content of the generated questions: things and facts about them, acts and judgements.

`plain` is daily life; `slang` is the sea and the office. A thing is written with its article.
"""

from __future__ import annotations

from tidemill.recipes.shared.voice import Words

THINGS: dict[str, Words] = {
    "bird": Words(
        plain=("a sparrow", "an eagle", "a heron", "a magpie", "a swallow", "an owl"),
        slang=("a puffin", "a gannet", "a cormorant", "a skua"),
    ),
    "fish": Words(
        plain=("a trout", "a carp", "a pike", "an eel", "a perch", "a salmon"),
        slang=("a halibut", "a mackerel", "a turbot", "a sardine"),
    ),
    "insect": Words(
        plain=("a beetle", "an ant", "a wasp", "a moth", "a cricket", "a ladybird"),
        slang=("a sea skater", "a kelp fly", "a rove bug", "a shore midge"),
    ),
    "mammal": Words(
        plain=("a badger", "a horse", "a mouse", "a fox", "a goat", "a hedgehog"),
        slang=("a walrus", "a porpoise", "a seal pup", "a manatee"),
    ),
    "tool": Words(
        plain=("a hammer", "a chisel", "a saw", "a spanner", "a wrench", "a crowbar"),
        slang=("a winch", "a buoy", "a stapler", "a hole punch"),
    ),
    "fruit": Words(
        plain=("a pear", "a plum", "a cherry", "an apple", "a quince", "an apricot"),
        slang=("a coconut", "a lychee", "a mango", "a papaya"),
    ),
    "vehicle": Words(
        plain=("a tractor", "a lorry", "a bus", "a taxi", "a moped", "a van"),
        slang=("a trawler", "a tugboat", "a hovercraft", "a forklift"),
    ),
}
FACTS: tuple[tuple[Words, frozenset[str]], ...] = (
    (Words(("have feathers", "hatch with a beak"), ("dive off a cliff in plumage", "moult a wing")),
     frozenset({"bird"})),
    (Words(("breathe through gills", "have fins and scales"), ("swim in a school", "get netted")),
     frozenset({"fish"})),
    (Words(("have six legs", "wear its skeleton outside"), ("scuttle on six feet", "buzz")),
     frozenset({"insect"})),
    (Words(("feed milk to its young", "grow fur"), ("nurse a calf", "have blubber or whiskers")),
     frozenset({"mammal"})),
    (Words(("belong in a toolbox", "rust in the rain"), ("hang in a locker", "need no feeding")),
     frozenset({"tool"})),
    (Words(("grow on a tree", "taste good in a pie"), ("ripen in the tropics", "go in a smoothie")),
     frozenset({"fruit"})),
    (Words(("run on diesel", "need a driving licence"), ("burn fuel at the quay", "carry cargo")),
     frozenset({"vehicle"})),
    (Words(("lay eggs",), ("spawn or nest",)), frozenset({"bird", "fish", "insect"})),
    (Words(("have a backbone",), ("have a spine",)), frozenset({"bird", "fish", "mammal"})),
    (Words(("need food to live", "die of hunger"), ("starve at sea", "have an appetite")),
     frozenset({"bird", "fish", "insect", "mammal"})),
    (Words(("get made in a factory", "have a price tag"), ("carry a serial number",)),
     frozenset({"tool", "vehicle"})),
)  # fmt: skip
"""A predicate in its plain form, and the kinds of things that it is true of."""
ALWAYS = Words(
    plain=(
        "weigh more than a feather of down", "fit inside a barn", "cast a shadow at noon",
        "get wet in the rain", "be visible on a photograph", "fall when it is dropped",
        "be older today than yesterday", "take up some room",
    ),
    slang=("be lighter than a lighthouse", "show up on a webcam", "get salty in spray",
           "be smaller than the harbour"),
)  # fmt: skip
"""Predicates that are true of every thing."""
NEVER = Words(
    plain=(
        "speak Latin",
        "pay taxes",
        "own a bank account",
        "vote in an election",
        "outlive the sun",
        "play chess by post",
        "remember the last century",
        "travel faster than light",
    ),
    slang=("file a timesheet", "swim to Mars", "drink the ocean dry", "chair a meeting"),
)
"""Predicates that are true of no thing."""
ASK = (
    "does {thing} {holds}?",
    "would {thing} normally {holds}?",
    "can one say that {thing} will {holds}?",
    "do you think {thing} would {holds}?",
    "is it likely for {thing} to {holds}?",
)
ASK_NOT = (
    "is it a mistake to say that {thing} would {holds}?",
    "is it impossible for {thing} to {holds}?",
    "would {thing} never {holds}?",
)
FINE = Words(
    plain=(
        "return a lost wallet to {who}", "thank {who} for the soup",
        "help {who} carry the shopping", "share my umbrella with {who}",
        "apologise to {who} for being late",
        "visit {who} in hospital", "water the plants of {who}", "teach {who} to swim",
        "pay {who} back what I owed", "congratulate {who} on the exam",
        "give my seat to {who}", "read a story to {who}",
    ),
    slang=(
        "throw {who} a life jacket", "cover the shift of {who}", "refill the printer for {who}",
        "share my rations with {who}", "log the hours of {who} correctly", "radio {who} a warning",
    ),
)  # fmt: skip
WRONG = Words(
    plain=(
        "read the diary of {who}", "steal an apple from {who}", "lie to {who} about the bill",
        "jump the queue in front of {who}", "laugh at the limp of {who}",
        "break a promise to {who}", "blame {who} for my mistake", "spread a rumour about {who}",
        "throw stones at the dog of {who}", "forge the signature of {who}",
        "let {who} pay for what I broke", "wake {who} for fun at night",
    ),
    slang=(
        "cut the mooring line of {who}", "pad the expenses of {who}", "dump oil near {who}",
        "take credit for the slides of {who}", "leak the password of {who}",
        "leave {who} on the rocks",
    ),
)  # fmt: skip
BORROW = Words(
    plain=("borrow the bicycle of {who}", "use the phone of {who}", "eat the cake of {who}",
           "open the letter of {who}", "post an image of {who}", "cut the hedge of {who}"),
    slang=("take the dinghy of {who}", "use the badge of {who}", "sit at the desk of {who}",
           "board the yacht of {who}"),
)  # fmt: skip
"""Acts that are fine with permission and wrong without it."""
WITH_LEAVE = Words(
    plain=("after asking first", "with permission", "because I had been invited to"),
    slang=("with the skipper's nod", "signed off by the boss"),
)
WITHOUT_LEAVE = Words(
    plain=("without asking", "in secret", "although I had been told not to"),
    slang=("behind the skipper's back", "off the books"),
)
MAY = (
    "is it all right to {act}?",
    "is it fine if I {act}?",
    "may a decent person {act}?",
    "would it be reasonable to {act}?",
)
MAY_NOT = (
    "is it wrong to {act}?",
    "should I be ashamed to {act}?",
    "would it be a bad idea to {act}?",
)
WHO = (
    "my neighbour", "a stranger", "my aunt", "the new boy", "a colleague", "my grandfather",
    "the baker", "a child", "my landlady", "our teacher", "the postman", "my cousin",
    "the librarian", "my sister", "the plumber", "a tourist", "my uncle", "the nurse", "a friend",
    "the caretaker", "my boss", "the barber", "a guest", "the gardener",
)  # fmt: skip
NAME = (
    "Ines", "Pavel", "Greta", "Tomas", "Aino", "Luca", "Mirja", "Oskar", "Yara", "Niels", "Petra",
    "Hugo", "Salma", "Jonas", "Edith", "Ravi", "Marta", "Bruno", "Leila", "Anton", "Signe", "Emil",
    "Noor", "Felix", "Hedda", "Karim", "Lotte", "Milan", "Nadia", "Pedro", "Runa", "Stefan",
    "Tilda", "Viktor", "Wanda", "Zoltan", "Agnes", "Boris", "Carla", "Dario", "Elin", "Fatima",
    "Gustav", "Helga", "Irina", "Jakub", "Katja", "Lars", "Malin", "Nils", "Olga", "Paolo",
    "Quentin", "Rosa", "Sven", "Teresa", "Ulrik", "Vera", "Willem", "Xenia",
)  # fmt: skip
OPENING = Words(
    plain=(
        "{name} from {city} asks on {day}:", "{name} from {city} wants to know by {day}:",
        "a question from {name} to {other} in {city}:",
        "settle a bet for {name} and {other}, {count} crowns:",
        "at dinner in {city} {name} asked {other}:", "{name} and {other} of {city} disagree:",
        "{other} wrote to {name} on {day}:", "on a walk in {city} {name} and {other} wondered:",
    ),
    slang=(
        "yo {name} from {city} here,", "ask for {name} and {other} pls:",
        "{name} at sea with {other}, day {count}:", "hey oracle, {name} from {city}, bay {count},",
    ),
)  # fmt: skip
ASIDE = Words(
    plain=(
        "I have wondered since {day}.", "{other} says the opposite.", "It came up in {city}.",
        "We bet {count} crowns on it.", "{other} has asked {count} people.",
    ),
    slang=("no idea lol.", "{count} bucks on it.", "{other} is no help."),
)  # fmt: skip
DAY = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
