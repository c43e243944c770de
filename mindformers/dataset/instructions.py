"""The instructions of the tasks, for training data and for prompts made from a table alike.

Each has one `{}` slot. The first of a tuple is the one used at inference.
"""

from __future__ import annotations

CAPTION_INSTRUCTIONS: tuple[str, ...] = (
    "Describe the molecule <molecule>{}</molecule>.",
    "What is known about the molecule <molecule>{}</molecule>?",
    "Write a short description of this molecule: <molecule>{}</molecule>",
    "<molecule>{}</molecule> is a molecule in SMILES notation. What does it do?",
    "Name the properties and uses of the molecule <molecule>{}</molecule>.",
    "Here is a molecule: <molecule>{}</molecule>\nSummarise its role in biology, medicine and industry.",
)

MOLGEN_INSTRUCTIONS: tuple[str, ...] = (
    "Write a molecule that fits this description: {}",
    "Give the SMILES of a molecule that matches the following text. {}",
    "Design a molecule with these properties. {}",
    "{}\nWhich molecule is described here? Answer in SMILES notation.",
    "Read the description and propose one molecule for it.\n{}",
    "I am looking for a molecule. {} Write its SMILES.",
)

PROMOTER_INSTRUCTIONS: tuple[str, ...] = (
    "Is {} a human core promoter? Answer Yes or No.",
    "Does the sequence {} contain a core promoter? Answer Yes or No.",
    "{}\nCan transcription start in this stretch of human DNA? Answer Yes or No.",
    "Decide whether this sequence is a core promoter, with Yes or No: {}",
)

PROTEIN_FUNCTION_INSTRUCTIONS: tuple[str, ...] = (
    "What is the protein {}?",
    "Name the protein with this sequence: {}",
    "{}\nWhich protein is this, and what does it do?",
    "Tell the likely function of the protein {}.",
)

PROTEIN_CLASS_INSTRUCTIONS: tuple[str, ...] = (
    "To which class does the protein {} belong?",
    "Classify this protein: {}",
    "{}\nName the class or family of this protein.",
)
