"""The language of policies: a bounded part of CEL, checked and compiled when the configuration is loaded."""
