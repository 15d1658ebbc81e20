"""Derive labels from the names of class folders."""

from __future__ import annotations

from tidemill.domain.errors import DataError
from tidemill.domain.types import Labels

SEPARATOR = "___"


def plant_labels(name: str) -> Labels:
    """Return the three labels of a leaf: `Grape___Black_rot` is that class, a grape, and has black
    rot.

    The plant stands before the first separator. Raises DataError for a name without both parts.
    """
    plant, separator, disease = name.partition(SEPARATOR)
    if not (plant and separator and disease):
        raise DataError(
            f"The class {name!r} does not name a plant and a disease.",
            hint=f"Call it Plant{SEPARATOR}disease, such as Grape{SEPARATOR}healthy.",
        )
    return {"class": name, "disease": disease, "plant": plant}


def merge_plant_labels(known: Labels, feedback: Labels) -> Labels:
    """Return the three labels of a leaf with the labels `known` after this feedback.

    A class in the feedback decides all three. Otherwise plant and disease decide the class, with
    the feedback before the known labels. While one of them is missing, nothing follows. Raises
    DataError when the class contradicts the plant or the disease of the feedback.
    """
    if "class" in feedback:
        labels = plant_labels(feedback["class"])
        for target, label in sorted(feedback.items()):
            if labels.get(target, label) != label:
                raise DataError(
                    f"The class {feedback['class']!r} contradicts the {target} {label!r}.",
                    hint="Give one of them again.",
                )
        return labels
    both = {**known, **feedback}
    if "plant" not in both or "disease" not in both:
        return both
    return {**both, "class": f"{both['plant']}{SEPARATOR}{both['disease']}"}
