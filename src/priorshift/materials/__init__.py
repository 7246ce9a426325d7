"""What the models read: phrases, forms and questionnaires, checked."""
