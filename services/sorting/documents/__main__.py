"""The process that makes one paper of sorting."""

from kernel.documents.making import make_one
from services.sorting.documents.data import Document
from services.sorting.documents.rendering import render


def main() -> None:
    make_one(Document, lambda document, _form: render(document))


if __name__ == "__main__":
    main()
