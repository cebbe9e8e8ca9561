"""BSON that nobody decodes: elements, pages of documents, and the memory they take."""
