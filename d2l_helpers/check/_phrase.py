"""Sentences with values in them, which another language can say anew."""

from __future__ import annotations


class Phrase(str):
    """A sentence that remembers its template and what was filled in.

    It is the English sentence. Where it is shown in another language, the
    template is looked up there and filled in again, so that a report that is
    stored can be shown in each language.

    Args:
        template (str): the sentence, with names in braces.
        values (str or int): what stands for the names.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Phrase:
        phrase = super().__new__(cls, template.format(**values))
        phrase.template, phrase.values = template, values
        return phrase

    def __getnewargs_ex__(self) -> tuple:  # to copy it, and to send it
        return (self.template,), self.values


phrase = Phrase
