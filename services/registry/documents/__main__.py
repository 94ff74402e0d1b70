"""The process that makes one document of the registry."""

from kernel.documents.making import make_one
from services.registry.documents.data import Document
from services.registry.documents.rendering import Format, render


def main() -> None:
    make_one(Document, lambda document, form: render(document, Format(form)))


if __name__ == "__main__":
    main()
