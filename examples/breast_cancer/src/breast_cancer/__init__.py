"""A recipe for Tidemill: whether a tumour is malignant."""
